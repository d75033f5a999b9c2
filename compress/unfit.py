"""What of a recipe does not fit its task, refused before anything is trained."""

import numpy as np

from compress.data.rows import Splits
from compress.distill import Plain
from compress.errors import DataError, ModelError
from compress.recipe import RunConfig
from compress.students import BiLstm, TextCnn
from compress.tasks import SINGLE_LABEL, Task


def one_where_none_average(config: RunConfig, task: Task) -> None:
    """Raise `ModelError` for several teachers of a task whose answers have no mean."""
    if len(config.teachers) > 1 and not task.averages:
        raise ModelError(
            f"the recipe has {len(config.teachers)} teachers, and the vectors of two models have no mean",
            "one teacher for task: " + task.name,
            "keep one of them",
        )


def student_for(config: RunConfig, task: Task) -> None:
    """Raise `ModelError` for a student that classifies texts, where the task is another."""
    if isinstance(config.student, BiLstm | TextCnn) and task.head != SINGLE_LABEL.head:
        raise ModelError(
            f"student.architecture is {config.student.architecture}, which answers texts with labels",
            f"an encoder, for task: {task.name}",
            "make the student from the teacher: student: {layers: 3}, or name a pretrained one: student: {model: ...}",
        )


def scores_that_differ(config: RunConfig, splits: Splits, task: Task) -> None:
    """Raise `DataError` where embeddings learn from scores, or are judged by them, and all are the same."""
    scores = splits.train.labels
    if not task.answers_as.EMBEDS or scores is None or len(np.unique(scores)) > 1:
        return
    asked = ["teacher.train" for one in config.teachers if one.train is not None]
    asked += ["baseline: true"] if config.baseline else []
    asked += ["method: plain" for method in config.distill if isinstance(method, Plain)]
    asked += [f"metric: {config.metric}"] if config.metric in ("spearman", "pearson") else []
    if asked:
        raise DataError(
            f"{asked[0]} needs scores that differ, and every pair is a partner of the same score",
            "scores, or what learns from the teacher alone, judged by recall_at_1, recall_at_10 or mrr",
            "take it out, set metric: mrr, or set data.columns.label to a column of scores",
        )
