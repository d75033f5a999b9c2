"""A report in one sentence, and the words for its figures."""

from compress.judge.metrics import BINARY, SECOND
from compress.judge.report import ModelRow, Report

METRIC_NAMES = {
    "accuracy": "accuracy",
    "macro_f1": "macro F1",
    "binary_f1": "F1 of the second label",
    "matthews": "Matthews correlation",
    "pearson": "Pearson correlation",
    "spearman": "Spearman correlation",
    "micro_f1": "micro F1",
    "average_precision": "mean average precision",
    "entity_f1": "entity F1",
    "entity_macro_f1": "macro entity F1",
    "recall_at_1": "recall at 1",
    "recall_at_10": "recall at 10",
    "f1": "F1",
    "exact_match": "exact match",
    "mrr": "mean reciprocal rank",
}
RUNTIME_NAMES = {"torch": "PyTorch", "onnxruntime": "ONNX"}


def sentence(report: Report) -> str:
    """The verdict and what it rests on.

    As in "PASS: the 8.9 MB student keeps 98.1 % [97.0, 99.2] of the teacher's accuracy and answers 14.2
    times as fast". Gates that did not pass are named at the end.
    """
    shipped = shipped_row(report)
    subject = f"the {shipped.size_mb:.1f} MB {shipped.name}" if shipped else f"the {report.shipped} model"
    if shipped and shipped.name == "teacher":
        subject = f"the teacher in {shipped.size_mb:.1f} MB"
    found = _kept(report)
    if report.speedup is not None:
        found += f" and answers {times(report.speedup.p50)} times as fast"
        if report.speedup.noisy:
            found += " (not proven: other processes were busy)"
        elif any(gate.name == "min_speedup" and gate.status == "inconclusive" for gate in report.gates):
            found += " (not proven)"
    return f"{report.verdict.upper()}: {subject} {found}{_open_gates(report)}"


def shipped_row(report: Report) -> ModelRow | None:
    """The row of the model that ships, None where the table does not hold it."""
    precision = report.shipped.removeprefix("onnx-")
    rows = [row for row in report.models if row.runtime == "onnxruntime" and row.precision == precision]
    # Where the teacher was exported for comparison, and a plain student too, the student is what ships.
    order = ("student", "teacher")
    return min(
        (row for row in rows if row.name in order), key=lambda row: order.index(row.name), default=None
    )


def metric_name(report: Report) -> str:
    """What the scores are, in words: without labels they are the agreement with the teacher."""
    return METRIC_NAMES.get(report.metric, report.metric) if report.metric else "agreement"


def other_scores_line(report: Report) -> str:
    """The task's other metrics, as in "macro F1 0.881 (teacher 0.890), ..."; empty where none was kept."""
    shipped = shipped_row(report)
    teacher = next((row for row in report.models if row.name == "teacher"), None)
    if shipped is None or teacher is None:
        return ""
    return ", ".join(
        f"{_metric_of(metric, report)} {value:.3f} (teacher {teacher.other_scores[metric]:.3f})"
        for metric, value in shipped.other_scores.items()
        if metric in teacher.other_scores
    )


def _metric_of(metric: str, report: Report) -> str:
    if metric == BINARY and len(report.labels) > SECOND:
        return f"F1 of {report.labels[SECOND]}"
    return METRIC_NAMES.get(metric, metric)


def percent(value: float, ci: tuple[float, float]) -> str:
    """A share with its interval, as in 98.1 % [97.0, 99.2]."""
    return f"{100 * value:.1f} % [{100 * ci[0]:.1f}, {100 * ci[1]:.1f}]"


def times(ratio: float) -> str:
    """A ratio with as many digits as one can trust: 0.85, 14.2, 340."""
    return f"{ratio:.0f}" if ratio >= 99.95 else f"{ratio:.1f}" if ratio >= 0.995 else f"{ratio:.2f}"


def _kept(report: Report) -> str:
    fidelity = report.fidelity
    if fidelity.retention is not None and fidelity.retention_ci is not None:
        return (
            f"keeps {percent(fidelity.retention, fidelity.retention_ci)} of the teacher's "
            f"{metric_name(report)}"
        )
    return f"gives the teacher's answer on {percent(fidelity.agreement, fidelity.agreement_ci)} of the rows"


def _open_gates(report: Report) -> str:
    if not report.gates:
        return " (no gates were set)"
    missed = [gate.name for gate in report.gates if gate.status == "fail"]
    unsettled = [gate.name for gate in report.gates if gate.status == "inconclusive"]
    parts = [
        f"{word}: {', '.join(names)}"
        for word, names in (("missed", missed), ("not settled", unsettled))
        if names
    ]
    return "".join(f"; {part}" for part in parts)
