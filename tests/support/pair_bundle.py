"""A bundle of pairs, made by hand from the tiny one: whether two texts are of the same mind."""

import json
import shutil
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

LABELS = ["different", "same"]
# Text, text, gold label, the teacher's probability of "same".
PAIRS = [
    ("a good film", "a great story", "same", 0.95),
    ("a good film", "a dull plot", "different", 0.05),
    ("the story was fine", "it was lovely", "same", 0.9),
    ("awful music", "a warm ending", "different", 0.85),  # the student says different: they disagree
    ("stale and grim", "cold but flat", "same", 0.2),  # and here as well
    ("a grim film with no plot", "a bright story", "different", 0.1),
]
_OF_FIRST = 0.4  # the first text counts for more than the second, so that one can tell which is which
_LEANING = -0.3


def make_pair_bundle(folder: Path, single: Path, good: list[str], bad: list[str]) -> Path:
    """A bundle of pairs in `folder`, with the vocabulary of the bundle `single`."""
    shutil.copytree(single, folder)
    vocabulary = _teach_pairs_to(folder / "tokenizer.json")
    _write_graph(folder / "onnx/model.onnx", vocabulary, good, bad)
    rows = [
        {
            "id": number,
            "text": first,
            "text_pair": second,
            "label": label,
            "teacher": {
                "label": LABELS[same > 0.5],
                "probabilities": {"different": round(1 - same, 4), "same": same},
            },
        }
        for number, (first, second, label, same) in enumerate(PAIRS)
    ]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "evaluation.jsonl").write_text(lines, encoding="utf-8")
    _write(folder / "config.json", {"id2label": dict(enumerate(LABELS))})
    report = json.loads((folder / "report.json").read_text())
    columns = {"text": "premise", "text_pair": "hypothesis"}
    _write(folder / "report.json", {**report, "labels": LABELS, "recipe": {"data": {"columns": columns}}})
    manifest = json.loads((folder / "bundle.json").read_text())
    files = {
        name: {
            "sha256": sha256((folder / name).read_bytes()).hexdigest(),
            "size_bytes": (folder / name).stat().st_size,
        }
        for name in manifest["files"]
    }
    changes = {"name": "tiny-pairs", "labels": LABELS, "text_pair": True, "files": files}
    _write(folder / "bundle.json", {**manifest, **changes})
    return folder


def _write(path: Path, document: Any) -> None:
    path.write_text(json.dumps(document), encoding="utf-8")


def _teach_pairs_to(path: Path) -> list[str]:
    """Mark the tokens of a second text in the tokenizer; returns its vocabulary."""
    from tokenizers import Tokenizer, processors

    tokenizer = Tokenizer.from_file(str(path))
    special = [(token, tokenizer.token_to_id(token)) for token in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=special
    )
    tokenizer.save(str(path))
    ids = tokenizer.get_vocab()
    return sorted(ids, key=ids.__getitem__)


def _write_graph(path: Path, vocabulary: list[str], good: list[str], bad: list[str]) -> None:
    """The product of what the words of each text add up to, and a little of the first one alone."""
    from onnx import TensorProto, checker, helper, numpy_helper, save

    random = np.random.default_rng(1)
    signs = np.array([(word in good) - (word in bad) for word in vocabulary], np.float32)
    values = signs * random.uniform(0.9, 1.3, len(vocabulary)).astype(np.float32)
    constants = {
        "values": values,
        "tokens": np.array([1]),
        "of_first": np.array(_OF_FIRST, np.float32),
        "leaning": np.array([0, _LEANING], np.float32),
        "head": np.array([[0, 1.5]], np.float32),
    }
    node = helper.make_node
    nodes = [
        node("Gather", ["values", "input_ids"], ["value"]),
        node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
        node("Cast", ["token_type_ids"], ["type"], to=TensorProto.FLOAT),
        node("Mul", ["value", "mask"], ["read"]),
        node("Mul", ["read", "type"], ["of_pair"]),
        node("Sub", ["read", "of_pair"], ["of_text"]),
        node("ReduceSum", ["of_text", "tokens"], ["text"], keepdims=1),
        node("ReduceSum", ["of_pair", "tokens"], ["pair"], keepdims=1),
        node("Mul", ["text", "pair"], ["together"]),
        node("Mul", ["text", "of_first"], ["alone"]),
        node("Add", ["together", "alone"], ["sum"]),
        node("MatMul", ["sum", "head"], ["scored"]),
        node("Add", ["scored", "leaning"], ["logits"]),
    ]
    names = ["input_ids", "attention_mask", "token_type_ids"]
    graph = helper.make_graph(
        nodes,
        "pairs",
        [helper.make_tensor_value_info(name, TensorProto.INT64, ["texts", "tokens"]) for name in names],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["texts", 2])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    checker.check_model(model, full_check=True)
    save(model, path)
