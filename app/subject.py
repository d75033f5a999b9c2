"""What a page is about: one bundle, whom it may ask, and what it looks at."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.answered import AnsweredRows
from app.comparer import Comparer
from app.evaluation import Row
from app.live import Watch
from app.turns import Turns
from serve.client import Endpoint
from serve.predictor import Predictor


@dataclass(frozen=True)
class Watched:
    """An endpoint whose metrics are drawn."""

    endpoint: Endpoint
    watch: Watch
    is_this_bundle: bool


@dataclass(frozen=True)
class Subject:
    """Everything that the tabs show or ask."""

    title: str
    task: str
    labels: Sequence[str]
    report: Mapping[str, Any]
    rows: AnsweredRows
    comparer: Comparer
    watched: Watched | None = None


def subject(
    title: str,
    report: Mapping[str, Any],
    evaluation: Sequence[Row],
    student: Predictor,
    teacher: Predictor | None = None,
    watched: Watched | None = None,
) -> Subject:
    """A page's subject; without a `teacher` its stored answers to the `evaluation` rows are shown.

    The test rows are always answered by `student`, the file that was judged; texts that people type, and csv
    files, go to the endpoint where there is one.
    """
    turns = Turns()
    found = {row.teacher.label: None for row in evaluation}
    return Subject(
        title=title,
        task=str(report.get("task") or "text-classification"),
        labels=[str(label) for label in report.get("labels") or sorted(found)],
        report=report,
        rows=AnsweredRows(evaluation, student, turns),
        comparer=Comparer(watched.endpoint if watched else student, teacher, evaluation, turns),
        watched=watched,
    )
