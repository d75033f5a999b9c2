"""A bundle of every task, and one of its teacher, made by hand in a moment and without torch.

Graphs are tables: each word has its own logits, its own share of a number or its own vector. What the teacher says of
the test rows is written as `compress run` writes it, and judged as it judges.
"""

import json
import random
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, checker, helper, numpy_helper, save
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

import serve
from compress.data.rows import Rows
from compress.judge.fidelity import fidelity
from compress.judge.metrics import score
from compress.tasks import Task
from serve.bundle import sha256
from serve.inputs import Input, parts

Table = NDArray[np.float32]
SPECIAL = ["[CLS]", "[PAD]", "[UNK]", "[SEP]"]
MAX_LENGTH = 64
ROWS = 60


@dataclass(frozen=True)
class Made:
    """A task's bundle, with what is in it."""

    name: str
    student: Path
    teacher: Path  # another bundle
    rows: list[dict[str, Any]]
    pairs: bool


@dataclass(frozen=True)
class Recipe:
    """What a task's bundles are made of."""

    name: str
    task: Task
    manifest: Mapping[str, Any]
    metric: str
    examples: Callable[[random.Random], list[tuple[Input, Any]]]  # texts and what is right of each
    gold: Callable[[Sequence[Any]], NDArray[Any]]  # as `Rows.labels`
    table: Callable[[Sequence[str], np.random.Generator, float], Table]  # of these words; noise
    pooled: str | None  # how the words' numbers become a text's
    bias: Sequence[float] = ()
    pairs: bool = False
    outputs: Sequence[str] = ()  # a column of the table each, where there are several


def make_bundles(recipe: Recipe, folder: Path, base: Path, report: Mapping[str, Any]) -> Made:
    """Both bundles in `folder`; `base` is a bundle and `report` a report whose other parts they take."""
    drawn = recipe.examples(random.Random(4))
    texts, gold = [one[0] for one in drawn], recipe.gold([one[1] for one in drawn])
    words = sorted({word for asked in texts for text in parts(asked) for word in split_words(text)})
    vocabulary = [*SPECIAL, *words]
    paths = {}
    for who, seed, noise in (("teacher", 1, 0.5), ("student", 2, 1.0)):
        paths[who] = folder / who
        shutil.copytree(base, paths[who])
        _write_tokenizer(paths[who] / "tokenizer.json", vocabulary)
        table = recipe.table(vocabulary, np.random.default_rng(seed), noise)
        _write_graph(paths[who] / "onnx/model.onnx", table, recipe.pooled, recipe.bias, _outputs(recipe))
        (paths[who] / "evaluation.jsonl").unlink()
        _write_manifest(paths[who], recipe, who)
    rows = Rows(texts, gold)
    labels = tuple(recipe.manifest["labels"])
    found = {
        who: recipe.task.stack(serve.load(path, threads=1).predict(texts), labels)
        for who, path in paths.items()
    }
    lines = [
        {
            "id": number,
            **dict(zip(("text", "text_pair"), parts(asked), strict=False)),
            "label": recipe.task.tell_label(rows.labels[number], labels),
            "teacher": recipe.task.tell_answer(answer, labels),
        }
        for number, (asked, answer) in enumerate(zip(texts, found["teacher"], strict=True))
    ]
    student = paths["student"]
    written = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    (student / "evaluation.jsonl").write_text(written, encoding="utf-8")
    judged = _report(recipe, report, rows, found)
    (student / "report.json").write_text(json.dumps(judged), encoding="utf-8")
    _write_manifest(student, recipe, "student")
    return Made(recipe.name, student, paths["teacher"], json.loads(json.dumps(lines)), recipe.pairs)


def _outputs(recipe: Recipe) -> list[str]:
    return list(recipe.outputs) or [str(recipe.manifest.get("output", "logits"))]


def split_words(text: str) -> list[str]:
    """As the tokenizers of the bundles cut."""
    text = normalizers.BertNormalizer(lowercase=True).normalize_str(text)
    return [word for word, _ in pre_tokenizers.BertPreTokenizer().pre_tokenize_str(text)]


def _write_tokenizer(path: Path, vocabulary: Sequence[str]) -> None:
    ids = {token: number for number, token in enumerate(vocabulary)}
    tokenizer = Tokenizer(models.WordPiece(ids, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = [(token, ids[token]) for token in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=special
    )
    tokenizer.enable_truncation(MAX_LENGTH)
    tokenizer.save(str(path))


def _write_graph(
    path: Path, table: Table, pooled: str | None, bias: Sequence[float], outputs: Sequence[str]
) -> None:
    """A row of the table for each word; its sum or mean over the attended ones, where it is `pooled`."""
    node = helper.make_node
    constants = {
        "table": table,
        "bias": np.array(bias or [0] * table.shape[1], np.float32),
        "last": np.array([-1]),
        "tokens": np.array([1]),
    }
    nodes = [
        node("Gather", ["table", "input_ids"], ["word"]),
        node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
        node("Unsqueeze", ["mask", "last"], ["column"]),
        node("Mul", ["word", "column"], ["attended"]),
        node("ReduceSum", ["attended", "tokens"], ["sum"], keepdims=0),
        node("ReduceSum", ["column", "tokens"], ["count"], keepdims=0),
        node("Div", ["sum", "count"], ["mean"]),
        node("Add", [{None: "attended", "sum": "sum", "mean": "mean"}[pooled], "bias"], ["numbers"]),
    ]
    axes: list[Any] = ["texts", *["tokens"] * (pooled is None)]
    if len(outputs) > 1:  # a column of the table each
        nodes += [node("Split", ["numbers"], [f"{name}_column" for name in outputs], axis=-1, num_outputs=2)]
        nodes += [node("Squeeze", [f"{name}_column", "last"], [name]) for name in outputs]
    else:
        nodes += [node("Identity", ["numbers"], list(outputs))]
        axes.append(table.shape[1])
    graph = helper.make_graph(
        nodes,
        "table",
        [
            helper.make_tensor_value_info(name, TensorProto.INT64, ["texts", "tokens"])
            for name in ("input_ids", "attention_mask")
        ],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, axes) for name in outputs],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    checker.check_model(model, full_check=True)
    save(model, path)


def _write_manifest(folder: Path, recipe: Recipe, who: str) -> None:
    path = folder / "bundle.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    inputs = [{"name": name, "dtype": "int64"} for name in ("input_ids", "attention_mask")]
    document |= {
        "name": f"{recipe.name}-{who}",
        "max_length": MAX_LENGTH,
        "inputs": inputs,
        **recipe.manifest,
    }
    document["text_pair"] = recipe.pairs and not recipe.task.answers_as.READS_EACH
    files = [one for one in sorted(folder.rglob("*")) if one.is_file() and one != path]
    document["files"] = {
        one.relative_to(folder).as_posix(): {"sha256": sha256(one), "size_bytes": one.stat().st_size}
        for one in files
    }
    path.write_text(json.dumps(document), encoding="utf-8")


def _report(
    recipe: Recipe, report: Mapping[str, Any], rows: Rows, found: Mapping[str, NDArray[np.float64]]
) -> dict[str, Any]:
    labels, task = list(recipe.manifest["labels"]), recipe.task
    near = fidelity(
        found["teacher"], found["student"], rows.labels, recipe.metric, seed=1, resamples=200, labels=labels,
        texts=rows.texts, task=task,
    )  # fmt: skip
    judged = json.loads(json.dumps(report))
    judged |= {
        "task": recipe.manifest["task"],
        "problem_type": task.problem_type,
        "metric": recipe.metric,
        "labels": labels,
        "fidelity": json.loads(near.model_dump_json()),
    }
    gold = task.gold_marks(recipe.metric, rows)
    for model in judged["models"]:
        answers = found["teacher" if model["name"] == "teacher" else "student"]
        model["score"] = score(
            recipe.metric, gold, task.marks(recipe.metric, answers, rows), max(1, len(labels))
        )
        model["score_ci"] = [model["score"] - 0.03, min(1.0, model["score"] + 0.03)]
    return judged
