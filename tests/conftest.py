"""A tiny but real bundle: an ONNX graph and a tokenizer made by hand in a moment, without torch."""

import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

LABELS = ["negative", "positive"]
MAX_LENGTH = 16
GOOD = ["good", "fine", "great", "lovely", "warm", "funny", "wise", "bright"]
BAD = ["bad", "dull", "awful", "cold", "flat", "silly", "stale", "grim"]
PLAIN = [
    "a",
    "the",
    "film",
    "story",
    "and",
    "but",
    "it",
    "was",
    "with",
    "no",
    "plot",
    "actor",
    "ending",
    "of",
    "music",
]
# The padding token is neither 0 nor unknown to the model, so a guessed id or an ignored mask shows.
SPECIAL = ["[CLS]", "[PAD]", "[UNK]", "[SEP]"]

# Text, gold label, the teacher's probability of "positive".
ROWS = [
    ("a good film", "positive", 0.97),
    ("a dull film with no plot", "negative", 0.04),
    ("the story was fine and the actor great", "positive", 0.93),
    ("awful music, flat ending", "negative", 0.02),
    ("it was cold but lovely", "positive", 0.71),
    ("a warm story of no plot", "positive", 0.31),  # the student says positive: they disagree
    ("bright, funny, wise", None, 0.99),
    ("stale and grim and silly", "negative", 0.88),  # and here as well
]


# What takes longest, with about how many seconds. It begins first, since at the end nobody could take the half of it.
# The very first makes the tiny run, for which the others would have to wait.
SLOWEST = {
    "compress/every_task/": 280,
    "compress/quickstart/": 260,
    "export/test_architectures": 230,
    "app/": 230,
    "compress/test_method_recipes": 170,
    "compress/general/": 90,
    "compress/training/test_resume": 80,
    "compress/compare/": 80,
    "test_wheel": 75,
    "compress/test_run": 60,
    "serve/test_server": 45,
    "benchmarks/test_distill_speed": 45,
    "compress/test_chinese": 30,
    "compress/test_pairs": 30,
    "compress/tasks/test_sentence_similarity": 25,
    "compress/steps/test_ladder": 25,
    "compress/test_baseline": 25,
    "serve/test_schema": 25,
}


def pytest_configure(config: pytest.Config) -> None:
    """A folder for what all workers share, which inherit its name (`exported_once`)."""
    if not hasattr(config, "workerinput"):
        folder = tempfile.TemporaryDirectory(prefix="compress-exports-")
        config.add_cleanup(folder.cleanup)
        os.environ["COMPRESS_TEST_EXPORTS"] = folder.name


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every worker begins with its share of the slowest; each is given as many items in a row, then helps others."""
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    shares: list[list[pytest.Item]] = [[] for _ in range(workers)]
    loads = [0] * workers
    for name, seconds in sorted(SLOWEST.items(), key=lambda one: -one[1]):
        least = loads.index(min(loads))
        shares[least] += [item for item in items if name in item.nodeid]
        loads[least] += seconds
    slow = {item for share in shares for item in share}
    rest = [item for item in items if item not in slow]
    for number, share in enumerate(shares):
        room = len(items) * (number + 1) // workers - len(items) * number // workers - len(share)
        share += rest[: max(0, room)]
        del rest[: max(0, room)]
    items[:] = [item for share in shares for item in share] + rest


@pytest.fixture(scope="session")
def bundle_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A complete bundle; copy it before altering it."""
    folder = tmp_path_factory.mktemp("made") / "bundle"
    (folder / "onnx").mkdir(parents=True)
    vocabulary = [*SPECIAL, *GOOD, *BAD, *PLAIN, ",", "."]
    write_tokenizer(folder / "tokenizer.json", vocabulary)
    write_graph(folder / "onnx/model.onnx", vocabulary)
    write_json(folder / "tokenizer_config.json", {"pad_token": "[PAD]", "model_max_length": MAX_LENGTH})
    write_json(folder / "config.json", {"id2label": dict(enumerate(LABELS))})
    write_json(folder / "report.json", report())
    lines = [json.dumps(row) + "\n" for row in evaluation_rows()]
    (folder / "evaluation.jsonl").write_text("".join(lines), encoding="utf-8")
    write_manifest(folder)
    return folder


def evaluation_rows() -> list[dict[str, Any]]:
    """The rows of evaluation.jsonl."""
    return [
        {
            "id": number,
            "text": text,
            "label": label,
            "teacher": {
                "label": LABELS[positive > 0.5],
                "probabilities": {"negative": round(1 - positive, 4), "positive": positive},
            },
        }
        for number, (text, label, positive) in enumerate(ROWS)
    ]


def write_json(path: Path, document: object) -> None:
    """Write one JSON document."""
    path.write_text(json.dumps(document, indent=1), encoding="utf-8")


def write_tokenizer(path: Path, vocabulary: list[str]) -> None:
    """Write a WordPiece tokenizer with truncation and without padding."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    ids = {token: number for number, token in enumerate(vocabulary)}
    tokenizer = Tokenizer(models.WordPiece(ids, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[(token, ids[token]) for token in ("[CLS]", "[SEP]")]
    )
    tokenizer.enable_truncation(MAX_LENGTH)
    tokenizer.save(str(path))


def write_graph(path: Path, vocabulary: list[str]) -> None:
    """Write the model: embeddings, their mean over the attended tokens, a linear head."""
    from onnx import TensorProto, checker, helper, numpy_helper, save

    random = np.random.default_rng(0)
    words = random.normal(0, 0.2, (len(vocabulary), 6)).astype(np.float32)
    words[:, 0] += [3 if word in GOOD else -3 if word in BAD else 0 for word in vocabulary]
    words[vocabulary.index("[PAD]")] = 9  # a padding token that is looked at changes every answer
    head = np.zeros((6, 2), np.float32)
    head[0] = [-2, 2]
    head[1:] = random.normal(0, 0.5, (5, 2))
    constants = {
        "words": words,
        "types": random.normal(0, 0.1, (2, 6)).astype(np.float32),
        "head": head,
        "bias": np.array([0.05, 0], np.float32),
        "last": np.array([-1]),
        "tokens": np.array([1]),
    }
    node = helper.make_node
    nodes = [
        node("Gather", ["words", "input_ids"], ["word"]),
        node("Gather", ["types", "token_type_ids"], ["type"]),
        node("Add", ["word", "type"], ["embedded"]),
        node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
        node("Unsqueeze", ["mask", "last"], ["column"]),
        node("Mul", ["embedded", "column"], ["attended"]),
        node("ReduceSum", ["attended", "tokens"], ["sum"], keepdims=0),
        node("ReduceSum", ["column", "tokens"], ["count"], keepdims=0),
        node("Div", ["sum", "count"], ["mean"]),
        node("MatMul", ["mean", "head"], ["scored"]),
        node("Add", ["scored", "bias"], ["logits"]),
    ]
    names = ["input_ids", "attention_mask", "token_type_ids"]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info(name, TensorProto.INT64, ["texts", "tokens"]) for name in names],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["texts", 2])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    checker.check_model(model, full_check=True)
    save(model, path)


def write_manifest(folder: Path) -> None:
    """Write bundle.json over the files that are in the folder now."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != "bundle.json"]
    document = {
        "format": 1,
        "name": "tiny-sentiment",
        "task": "text-classification",
        "labels": LABELS,
        "max_length": MAX_LENGTH,
        "inputs": [
            {"name": name, "dtype": "int64"} for name in ("input_ids", "attention_mask", "token_type_ids")
        ],
        "output": "logits",
        "model": "onnx/model.onnx",
        "precision": "fp32",
        "batching": "batch",
        "opset": 17,
        "ir_version": 8,
        "verdict": "pass",
        "created": "2026-11-21T09:00:00Z",
        "verified_on": {
            "processor": "a test",
            "instruction_set": [],
            "execution_provider": "CPUExecutionProvider",
            "onnxruntime": "1.31.1",
        },
        "files": {
            path.relative_to(folder).as_posix(): {
                "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
                "size_bytes": path.stat().st_size,
            }
            for path in files
        },
    }
    write_json(folder / "bundle.json", document)


@pytest.fixture(scope="session", name="report")
def report_fixture() -> dict[str, Any]:
    """The document of report.json."""
    return report()


def report() -> dict[str, Any]:
    """A report as `compress run` writes it, with made-up figures."""

    def latency(p50: float) -> dict[str, Any]:
        one = {"p50_ms": p50, "p95_ms": 1.3 * p50, "samples": 200, "threads": 2}
        return {"cpu": {"batch_1": one, "batch_1_one_thread": {**one, "p50_ms": 1.6 * p50, "threads": 1}}}

    def model(
        name: str, runtime: str, precision: str, score: float, size: float, p50: float
    ) -> dict[str, Any]:
        return {
            "name": name,
            "runtime": runtime,
            "precision": precision,
            "score": score,
            "score_ci": [score - 0.02, score + 0.018],
            "parameters": int(size * 250_000),
            "size_mb": size,
            "latency": latency(p50),
        }

    def gate(
        name: str, threshold: float, value: float, ci: list[float] | None, message: str
    ) -> dict[str, Any]:
        return {
            "name": name,
            "threshold": threshold,
            "value": value,
            "ci": ci,
            "status": "pass",
            "rows_to_settle": None,
            "message": message,
        }

    return {
        "schema": 1,
        "verdict": "pass",
        "task": "text-classification",
        "metric": "accuracy",
        "shipped": "onnx-fp32",
        "models": [
            model("teacher", "torch", "fp32", 0.912, 267.8, 21.4),
            model("student", "torch", "fp32", 0.894, 57.4, 5.8),
            model("student", "onnxruntime", "fp32", 0.894, 17.6, 1.31),
        ],
        "fidelity": {
            "rows": 872,
            "retention": 0.98,
            "retention_ci": [0.963, 0.997],
            "agreement": 0.947,
            "agreement_ci": [0.93, 0.961],
            "kl": 0.043,
            "ece_teacher": 0.051,
            "ece_student": 0.038,
        },
        "speedup": {
            "p50": 14.2,
            "ci": [13.1, 15.0],
            "threads": 1,
            "by_threads": {"1": 14.2, "2": 16.3},
            "rounds": 9,
            "dropped_rounds": 1,
        },
        "size_ratio": 15.2,
        "gates": [
            gate(
                "min_retention",
                0.95,
                0.98,
                [0.963, 0.997],
                "The student keeps 98.0 % of the teacher's score.",
            ),
            gate("min_speedup", 2.0, 14.2, [13.1, 15.0], "The student answers 14.2 times as fast."),
            gate("max_size_mb", 20.0, 17.6, None, "The file that ships has 17.6 MB."),
        ],
        "parity": [],
        "notes": ["int8 was tried and gave no speed-up here, so the float file ships."],
        "labels": LABELS,
        "rows": {"train": 67349, "validation": 872, "test": 872},
        "data_digest": "0" * 64,
        "recipe": {},
        "machine": {
            "processor": "Test Processor 9000",
            "cores": 2,
            "instruction_set": ["avx2"],
            "platform": "Linux",
            "memory_gb": 8.0,
        },
        "versions": {"onnxruntime": "1.31.1"},
        "created": "2026-11-21T09:00:00Z",
        "seconds": {"train": 61.0},
        "bundle": "runs/quickstart/bundle",
        "teacher": "runs/quickstart/stages/teacher-0123456789",
        "reproduce": "compress run quickstart",
    }
