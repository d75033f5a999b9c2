"""What is of one task alone on the page: its boxes, its answers, how two of them differ. One file per task."""

from collections.abc import Mapping, Sequence

from app.tasks.multi_label import MultiLabel
from app.tasks.question_answering import QuestionAnswering
from app.tasks.regression import Regression
from app.tasks.sentence_similarity import SentenceSimilarity
from app.tasks.task import Aim, Task
from app.tasks.text_classification import TextClassification
from app.tasks.token_classification import TokenClassification
from serve.errors import UserError
from serve.tasks import Answering, SingleLabel

# By the kind of `answering` in a bundle's manifest; a new task adds its class here.
TASKS: Mapping[str, type[Task]] = {
    "single-label": TextClassification,
    "regression": Regression,
    "multi-label": MultiLabel,
    "token-classification": TokenClassification,
    "embedding": SentenceSimilarity,
    "question-answering": QuestionAnswering,
}

__all__ = ["TASKS", "Aim", "Task", "default_task", "task_of"]


def task_of(answering: Answering, labels: Sequence[str]) -> Task:
    """The task of a bundle that answers so; raises `UserError` for one that the page does not show."""
    if answering.kind not in TASKS:
        raise UserError(
            f"a bundle for {answering.TASK} ({answering.kind})",
            f"one of the tasks that the demo shows: {', '.join(TASKS)}",
            "install a version of compress-toolchain that shows it",
        )
    return TASKS[answering.kind](answering, labels)


def default_task() -> Task:
    """Text classification with one label, whatever the labels are."""
    return TextClassification(SingleLabel(), ())
