"""What is of one task alone on the page: its boxes, its answers, how two of them differ. One file per task."""

from collections.abc import Mapping
from typing import Any, Protocol

from app.comparison import Difference
from app.forms import Form
from app.tasks.text_classification import TextClassification
from serve.errors import UserError
from serve.inputs import Input
from serve.tasks import Answer


class Task(Protocol):
    """What the page must know of a task; everything else is the same for all."""

    @property
    def name(self) -> str:
        """As in a bundle's manifest."""
        ...

    def form(self, columns: Mapping[str, str], *, pairs: bool) -> Form:
        """The boxes; `columns` are the data's own names of the texts, where its recipe gives them."""
        ...

    def difference(self, teacher: Any, student: Any) -> Difference:
        """How far two answers to the same question lie apart."""
        ...

    def body(self, asked: Input, answer: Answer) -> str:
        """One answer, as HTML: a bar for each label, spans marked in the text, an answer within its context."""
        ...

    def document(self, answer: Answer) -> dict[str, Any]:
        """One answer, for programs."""
        ...


TASKS: Mapping[str, Task] = {task.name: task for task in (TextClassification(),)}


def task_of(name: str) -> Task:
    """The task of this name; raises `UserError` for one that the page does not show."""
    if name not in TASKS:
        raise UserError(
            f"a bundle for {name}",
            f"one of the tasks that the demo shows: {', '.join(TASKS)}",
            "install a version of compress-toolchain that shows it",
        )
    return TASKS[name]
