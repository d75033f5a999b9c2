"""What a page is about: one bundle, whom it may ask, and what it looks at."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.answered import AnsweredRows
from app.comparer import Comparer
from app.forms import Form
from app.live import Watch
from app.rows import Row
from app.tasks import Task, task_of
from app.turns import Turns
from serve.client import Endpoint
from serve.predictor import Predictor
from serve.tasks import SingleLabel


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
    task: Task
    form: Form
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
    *,
    pairs: bool = False,
    task: Task | None = None,
) -> Subject:
    """A page's subject; without a `teacher` its stored answers to the `evaluation` rows are shown.

    The test rows are always answered by `student`, the file that was judged; texts that people type, and csv
    files, go to the endpoint where there is one. `pairs`: the models read two texts together. Without a `task` they
    are of text classification with one label.
    """
    turns = Turns()
    if task is None:
        found = {row.teacher.label: None for row in evaluation}
        task = task_of(SingleLabel(), [str(label) for label in report.get("labels") or sorted(found)])
    return Subject(
        title=title,
        task=task,
        form=task.form(_columns(report), pairs=pairs),
        report=report,
        rows=AnsweredRows(evaluation, student, turns, task),
        comparer=Comparer(watched.endpoint if watched else student, teacher, evaluation, turns, task),
        watched=watched,
    )


def _columns(report: Mapping[str, Any]) -> Mapping[str, str]:
    """What the data calls its texts, as far as the recipe names them."""
    data = (report.get("recipe") or {}).get("data") or {}
    columns = data.get("columns") or {} if isinstance(data, Mapping) else {}
    return {key: str(name) for key, name in columns.items() if name} if isinstance(columns, Mapping) else {}
