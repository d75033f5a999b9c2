"""The loss of the task itself, for methods that train on it beside, or in place of, imitation."""

import torch
from torch.nn import functional

from compress.data.rows import NO_LABEL
from compress.distill.teaching import refuse
from compress.tasks import SINGLE_LABEL, Task
from compress.tasks.interface import Imitation
from compress.training.lesson import Batch


def label_cross_entropy(logits: torch.Tensor, labels: torch.Tensor | None) -> torch.Tensor:
    """Cross-entropy with the labels, in float32; 0 where there are none.

    For logits (batch, labels) and labels (batch,) the mean over rows, of which those without a label
    (NO_LABEL) count as 0: each row weighs the same in every batch. For logits (batch, tokens, vocabulary)
    and labels (batch, tokens) the mean over the tokens that have a label.
    """
    if labels is None:
        return logits.new_zeros((), dtype=torch.float32)
    total = functional.cross_entropy(
        logits.float().flatten(0, -2), labels.flatten(), ignore_index=NO_LABEL, reduction="sum"
    )
    if labels.dim() == 1:
        return total / len(labels)
    return total / (labels != NO_LABEL).sum().clamp(min=1)


def task_loss(logits: torch.Tensor, batch: Batch, method: str, task: Task = SINGLE_LABEL) -> torch.Tensor:
    """The task's loss with the label or, in rows without one, with the teacher at temperature 1.

    Of a classifier these are cross-entropy and KL(teacher || model). Logits are (batch, labels); a scalar, the mean
    over the batch. That KL is the cross-entropy with the
    teacher's probabilities, `teacher_logits` of the batch, less their own entropy: the gradient is the same.
    Raises `ModelError` where a batch has neither labels nor the teacher's logits.
    """
    labels, teacher_logits = batch.get("labels"), batch.get("teacher_logits")
    if teacher_logits is not None:
        return task.soft_loss(logits, teacher_logits, labels, Imitation(alpha=0.0))
    if labels is None:
        refuse(
            method,
            "the data has neither labels nor the teacher's logits",
            "a task to learn",
            "give labels, or take minilm or tinybert",
        )
    return task.hard_loss(logits, labels)
