"""A tiny bundle that answers with embeddings, made by hand in a moment, without torch."""

import json
import shutil
from pathlib import Path

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper, save
from tokenizers import Tokenizer

from serve.bundle import sha256

WIDTH = 6


def write_embedding_bundle(source: Path, folder: Path) -> Path:
    """From the tiny classifier's bundle: the mean of its words' vectors, not normalised."""
    shutil.copytree(source, folder)
    vocabulary = Tokenizer.from_file(str(folder / "tokenizer.json")).get_vocab()
    write_graph(folder / "onnx/model.onnx", words(vocabulary))
    document = json.loads((folder / "bundle.json").read_text(encoding="utf-8"))
    document |= {
        "task": "sentence-similarity",
        "labels": ["embedding"],
        "output": "embedding",
        "answering": {"kind": "embedding", "width": WIDTH, "pooling": "mean", "normalized": False},
        "inputs": document["inputs"][:2],
    }
    path = folder / "onnx/model.onnx"
    document["files"]["onnx/model.onnx"] = {"sha256": sha256(path), "size_bytes": path.stat().st_size}
    (folder / "bundle.json").write_text(json.dumps(document), encoding="utf-8")
    return folder


def words(vocabulary: dict[str, int]) -> np.ndarray:
    """A vector for each word; that of padding would be seen in every answer."""
    vectors = np.random.default_rng(0).normal(0, 1, (len(vocabulary), WIDTH)).astype(np.float32)
    vectors[vocabulary["[PAD]"]] = 99
    return vectors


def write_graph(path: Path, vectors: np.ndarray) -> None:
    """Words, and their mean over the attended tokens."""
    constants = {"words": vectors, "last": np.array([-1]), "tokens": np.array([1])}
    node = helper.make_node
    nodes = [
        node("Gather", ["words", "input_ids"], ["word"]),
        node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
        node("Unsqueeze", ["mask", "last"], ["column"]),
        node("Mul", ["word", "column"], ["attended"]),
        node("ReduceSum", ["attended", "tokens"], ["sum"], keepdims=0),
        node("ReduceSum", ["column", "tokens"], ["count"], keepdims=0),
        node("Div", ["sum", "count"], ["embedding"]),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [
            helper.make_tensor_value_info(name, TensorProto.INT64, ["texts", "tokens"])
            for name in ("input_ids", "attention_mask")
        ],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["texts", WIDTH])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    checker.check_model(model, full_check=True)
    save(model, path)
