"""What the page looks up in `report.json`.

The report is read as a plain document: it was written by another package, and the page shows whatever
of it is there. A figure that was not measured is left out, never shown as nought.
"""

from collections.abc import Mapping, Sequence
from typing import Any

Document = Mapping[str, Any]

TIMES = "\u00d7"  # the multiplication sign
_METRICS = {
    "macro_f1": "Macro F1",
    "micro_f1": "Micro F1",
    "binary_f1": "F1 of the second label",
    "matthews": "Matthews correlation",
    "pearson": "Pearson correlation",
    "spearman": "Spearman correlation",
    "average_precision": "Mean average precision",
    "entity_f1": "Entity F1",
    "entity_macro_f1": "Macro entity F1",
    "recall_at_1": "Recall at 1",
    "recall_at_10": "Recall at 10",
    "mrr": "Mean reciprocal rank",
}
# What fidelity has of answers that are numbers or vectors, for people.
CLOSENESS = (("correlation", "correlation of both"), ("likeness", "mean cosine of both vectors"))
_KINDS = {"regression": "regression", "multi_label_classification": "multi-label classification"}
_CLEAN_ROUNDS = 5  # of timing, as the judge counts: fewer prove nothing
_CORRELATIONS = ("pearson", "spearman", "matthews")


def shipped(report: Document) -> Document | None:
    """The row of the model that ships."""
    precision = str(report.get("shipped", "")).removeprefix("onnx-")
    return _model(report, name="student", runtime="onnxruntime", precision=precision)


def teacher(report: Document) -> Document | None:
    """The row of the teacher in PyTorch."""
    return _model(report, name="teacher", runtime="torch")


def latency(report: Document, row: Document | None) -> Document | None:
    """A model's latency, at the number of threads for which the report gives the speed-up."""
    speedup = report.get("speedup") or {}
    key = "batch_1_one_thread" if speedup.get("threads") == 1 else "batch_1"
    measured = ((row or {}).get("latency") or {}).get("cpu", {}).get(key)
    return measured if isinstance(measured, Mapping) else None


def doubt(speedup: Document) -> str:
    """Why a speed-up is no more than a figure to look at; empty where it was measured undisturbed."""
    return "" if speedup["rounds"] >= _CLEAN_ROUNDS else "not proven: other processes were busy"


def metric_name(report: Document) -> str:
    """What the scores are, for people: Accuracy, Macro F1; Agreement where the rows have no labels."""
    metric = str(report.get("metric") or "agreement")
    return _METRICS.get(metric, metric.replace("_", " ").capitalize())


def score_form(report: Document) -> str:
    """How scores are written: shares in percent, correlations as the numbers that they are."""
    return "{:.3f}" if report.get("metric") in _CORRELATIONS else "{:.1%}"


def kind(report: Document) -> str:
    """What the model does, for people."""
    task = str(report.get("task", "")).replace("-", " ")
    return _KINDS.get(str(report.get("problem_type")), task)


def _model(report: Document, **wanted: str) -> Document | None:
    for row in report.get("models", []):
        if all(row.get(key) == value for key, value in wanted.items()):
            return dict(row)
    return None


def threads(count: int) -> str:
    """The count in words: 1 thread, 2 threads."""
    return f"{count} thread{'s' if count != 1 else ''}"


def span(interval: Sequence[float] | None, form: str) -> str:
    """An interval for people, each end in the given form; empty when there is none."""
    return f"{form.format(interval[0])} to {form.format(interval[1])}" if interval else ""


def rate(measured: Document) -> str:
    """How many texts a second, asked one by one: 1,629."""
    return f"{1000 / measured['p50_ms']:,.0f}"


def millions(row: Document) -> str:
    """A model's parameters: 22.71 M."""
    return f"{row['parameters'] / 1e6:.2f} M"
