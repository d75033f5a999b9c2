"""The tasks, by the names that the Hub uses; one file per task."""

from typing import Any

from compress.tasks.interface import Fault
from compress.tasks.multi_label import MultiLabel
from compress.tasks.question_answering import QuestionAnswering
from compress.tasks.regression import Regression
from compress.tasks.sentence_similarity import SentenceSimilarity
from compress.tasks.task import Task
from compress.tasks.text_classification import SingleLabel
from compress.tasks.token_classification import TokenClassification

SINGLE_LABEL = SingleLabel()
# A new task adds its instance here. Of two of the same name the first is meant where nothing says which.
TASKS: tuple[Task, ...] = (
    SINGLE_LABEL,
    MultiLabel(),
    Regression(),
    TokenClassification(),
    SentenceSimilarity(),
    QuestionAnswering(),
)

ALIASES = {"feature-extraction": "sentence-similarity"}  # another of the Hub's names for a task

FILL_MASK = "fill-mask"  # trains an encoder and ends before the export: `compress/general/`
BUILT = (*dict.fromkeys(task.name for task in TASKS), FILL_MASK)

__all__ = [
    "ALIASES",
    "BUILT",
    "FILL_MASK",
    "SINGLE_LABEL",
    "TASKS",
    "Fault",
    "Task",
    "task_named",
    "task_of",
]


def task_named(name: str, problem_type: str | None = None) -> Task:
    """The task of a recipe or of a report; raises KeyError for one that is not built."""
    for task in TASKS:
        if task.name == name and problem_type in (None, task.problem_type):
            return task
    raise KeyError(f"{name} {problem_type or ''}".strip())


def task_of(model: Any) -> Task:
    """What a transformers model was built for: by its class and, of text classifiers, by its config's problem."""
    class_name = type(model).__name__
    fitting = [task for task in TASKS if f"For{task.head}" in class_name] or [SINGLE_LABEL]
    problem = getattr(model.config, "problem_type", None)
    found = next(
        (task for task in fitting if problem is not None and task.problem_type == problem), fitting[0]
    )
    return found.of(model.config)
