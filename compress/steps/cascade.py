"""The stage that asks what ships for the rows that select, to say where its teacher should answer instead."""

import numpy as np
from numpy.typing import NDArray

from compress.data.rows import NO_LABEL, Splits
from compress.judge.cascade import suggest
from compress.judge.contestants import Contestant
from compress.judge.report import Cascade
from compress.steps.measure import answers
from compress.workshop import Workshop
from serve.tasks.text_classification import softmax


def cascade_stage(
    workshop: Workshop,
    shipped: Contestant,
    splits: Splits,
    teacher_logits: NDArray[np.float32],
    labels: tuple[str, ...],
) -> Cascade | None:
    """From the teacher's logits over the selection rows, (rows, labels), which are there already.

    None for a task in which no probability of one label says how sure an answer is.
    """
    if not workshop.task.answers_as.ONE_LABEL:
        return None
    rows = splits.validation
    student = answers(workshop, [shipped], rows, labels, "selection")[shipped.key]
    teacher, gold = softmax(teacher_logits), None
    if splits.is_labelled and rows.labels is not None:
        known = rows.labels != NO_LABEL
        student, teacher, gold = student[known], teacher[known], rows.labels[known]
    return suggest(teacher, student, gold, workshop.metric)
