"""What a bundle is judged by: rows, their labels, the teacher's answers to them."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compress.data.rows import Rows
from compress.judge.metrics import Metric, score
from compress.judge.report import Report
from compress.tasks import SINGLE_LABEL, Fault, Task
from compress.verify.report_file import REBUILD, read_report
from serve.bundle import EVALUATION, Bundle
from serve.errors import BundleError
from serve.inputs import Input

_ROUNDED = 2e-6  # probabilities in evaluation.jsonl have six decimals

__all__ = ["Evidence", "evaluation_rows", "read_evidence", "read_report", "task_score"]


@dataclass(frozen=True)
class Evidence:
    """Rows to judge by."""

    source: str  # where they are from, for people
    texts: Sequence[Input]
    gold: NDArray[Any] | None  # labels as the task has them, (rows, ...); None where not every row has one
    teacher: NDArray[np.float64] | None  # its answers as the task stacks them; None where they are not known

    @property
    def rows(self) -> Rows:
        """Texts with their labels."""
        return Rows(self.texts, self.gold)


def read_evidence(bundle: Bundle, report: Report, metric: Metric, task: Task = SINGLE_LABEL) -> Evidence:
    """The bundle's own test rows; raises `BundleError` where they are not those that the report speaks of.

    Hashes tell that a file is the one that was packed, not that it is right: so each of the teacher's answers must be
    the most probable label of its row, and together they must give the teacher's score in the report.
    """
    path = bundle.folder / EVALUATION
    if EVALUATION not in bundle.manifest.files:
        raise BundleError(
            f"{bundle.folder} holds no test rows ({EVALUATION})",
            "the rows of the run, or other rows with labels",
            "give a file with --data, or make the bundle with `bundle: {rows: true}`",
        )
    found = evaluation_rows(path, bundle.manifest.labels, task)
    if found.teacher is None or len(found.texts) != report.fidelity.rows:
        raise BundleError(
            f"{path} holds {len(found.texts):,} rows with {'no' if found.teacher is None else 'the'} teacher's answers",
            f"the {report.fidelity.rows:,} rows that the report speaks of, each with the teacher's answer",
            REBUILD,
        )
    reported = next((row.score for row in report.models if row.name == "teacher"), None)
    if found.gold is not None and report.metric is not None and reported is not None:
        again = task_score(task, metric, found.rows, found.teacher)
        if abs(again - reported) > _ROUNDED:
            raise BundleError(
                f"by the labels and answers in {path} the teacher's {metric} is {again:.4f}",
                f"{reported:.4f}, as the report has it; labels may stand there in another order",
                REBUILD,
            )
    return found


def evaluation_rows(path: Path, labels: Sequence[str], task: Task = SINGLE_LABEL) -> Evidence:
    """The rows of a file like evaluation.jsonl: `text`, and where it has them `label` and `teacher`.

    Raises `BundleError` with the line for what is no such row. Where a row has no label, none is used; the same of
    the teacher's answers.
    """
    texts: list[Input] = []
    gold: list[Any] = []
    teacher: list[Any] = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        place = f"{path}, line {number}"
        row = _object(line, place)
        texts.append(_text(row, place))
        label, answer = row.get("label"), row.get("teacher")
        with _placed(place):
            gold.append(None if label is None else task.read_label(label, labels))
            teacher.append(None if answer is None else task.read_answer(answer, labels))
    if not texts:
        raise BundleError(f"{path} has no rows", "a row in each line", REBUILD)
    known = [label for label in gold if label is not None]
    answers = [row for row in teacher if row is not None]
    return Evidence(
        path.name,
        texts,
        task.gathered_labels(known) if len(known) == len(texts) else None,
        task.gathered_answers(answers) if len(answers) == len(texts) else None,
    )


def _object(line: str, place: str) -> Mapping[str, object]:
    try:
        row = json.loads(line)
    except ValueError:
        row = None
    if not isinstance(row, dict):
        raise BundleError(f"{place} is no JSON object", '{"text": ..., "label": ...}', "mend the line")
    return row


def _text(row: Mapping[str, object], place: str) -> Input:
    text, second = row.get("text"), row.get("text_pair")
    if not isinstance(text, str) or not isinstance(second, str | None):
        raise BundleError(f"{place} has no text", 'a string as "text"', "mend the line")
    return text if second is None else (text, second)


@contextmanager
def _placed(place: str) -> Iterator[None]:
    """Within, what is no label or answer of the task is a `BundleError` that says where it stands."""
    try:
        yield
    except Fault as fault:
        raise BundleError(f"{place}{fault.found}", fault.expected, fault.remedy or "mend the line") from None


def task_score(task: Task, metric: Metric, rows: Rows, answers: NDArray[np.float64]) -> float:
    """The metric of answers to rows with labels."""
    gold, marks = task.gold_marks(metric, rows), task.marks(metric, answers, rows)
    return score(metric, gold, marks, answers.shape[1])
