"""Hinton's soft targets: the student learns the teacher's softened probabilities.

Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural Network" (2015), section 2. The squared
difference of logits is its limit for high temperatures (section 2.1; Ba and Caruana, 2014).
"""

from collections.abc import Sequence
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from compress.data.rows import NO_LABEL
from compress.models.trained import Trained
from compress.training.lesson import Batch, Lesson
from compress.training.options import TrainOptions


class Logits(TrainOptions):
    """Match the teacher's softened class probabilities."""

    method: Literal["logits"]
    loss: Literal["kl", "mse"] = "kl"
    temperature: Annotated[float, Field(gt=0, le=100)] = 2.0  # of kl
    alpha: Annotated[float, Field(ge=0, le=1)] = 0.9  # share of the teacher; the rest is the labels'

    def lesson(self, student: Trained, teachers: Sequence[Trained], device: str) -> Lesson:  # noqa: ARG002
        """From the teacher's logits, which were computed before, and the labels where there are any."""
        return _FromLogits(student, self)


class _FromLogits(Lesson):
    def __init__(self, student: Trained, options: Logits) -> None:
        super().__init__(student.model)
        self._options = options
        self._problem = getattr(student.model.config, "problem_type", None)

    def loss(self, batch: Batch) -> Tensor:
        options, logits, teacher_logits = self._options, self.answer(batch), batch["teacher_logits"]
        labels = batch.get("labels")
        if self._problem == "regression":
            return regression_targets(logits, teacher_logits, labels, options.alpha)
        if self._problem == "multi_label_classification":
            return soft_label_sets(logits, teacher_logits, labels, options.temperature, options.alpha)
        if options.loss == "mse":
            return matched_logits(logits, teacher_logits, labels, options.alpha)
        return soft_targets(logits, teacher_logits, labels, options.temperature, options.alpha)


def soft_targets(
    student_logits: Tensor, teacher_logits: Tensor, labels: Tensor | None, temperature: float, alpha: float
) -> Tensor:
    """`alpha` times T squared times KL(teacher || student) at temperature T, plus the labels' cross-entropy.

    Logits are of shape (batch, labels), `labels` of shape (batch,). Returns a scalar, the mean over the
    batch. A row without a label (NO_LABEL, or no labels at all) has the soft term alone, with weight 1.
    The factor T squared keeps the gradient's size when T changes (section 2 of the paper).
    """
    soft = functional.kl_div(
        functional.log_softmax(student_logits.float() / temperature, dim=-1),
        functional.log_softmax(teacher_logits.float() / temperature, dim=-1),
        reduction="none",
        log_target=True,
    ).sum(dim=-1)
    return _with_labels(soft * temperature**2, student_logits, labels, alpha)


def matched_logits(
    student_logits: Tensor, teacher_logits: Tensor, labels: Tensor | None, alpha: float
) -> Tensor:
    """`alpha` times the squared difference of logits, mean over labels, plus the labels' cross-entropy.

    Shapes and rows without a label as in `soft_targets`.
    """
    squared = (student_logits.float() - teacher_logits.float()).square().mean(dim=-1)
    return _with_labels(squared, student_logits, labels, alpha)


def soft_label_sets(
    student_logits: Tensor, teacher_logits: Tensor, labels: Tensor | None, temperature: float, alpha: float
) -> Tensor:
    """For several labels per text: T squared times KL between the two Bernoulli variables of each label.

    Logits and `labels` (0 or 1, float) are of shape (batch, labels); the mean over the batch of the sum over
    labels, plus (1 - alpha) times the labels' binary cross-entropy.
    """
    student, teacher = student_logits.float() / temperature, teacher_logits.float() / temperature
    probability = teacher.sigmoid()
    entropy = functional.binary_cross_entropy(probability, probability, reduction="none")
    cross = functional.binary_cross_entropy_with_logits(student, probability, reduction="none")
    soft = (cross - entropy).sum(dim=-1).mean() * temperature**2
    if labels is None:
        return soft
    hard = functional.binary_cross_entropy_with_logits(
        student_logits.float(), labels.float(), reduction="none"
    )
    return alpha * soft + (1 - alpha) * hard.sum(dim=-1).mean()


def regression_targets(
    student_logits: Tensor, teacher_logits: Tensor, labels: Tensor | None, alpha: float
) -> Tensor:
    """`alpha` times the squared difference to the teacher's score, the rest to the label's.

    Logits are of shape (batch, 1), `labels` of shape (batch,).
    """
    soft = functional.mse_loss(student_logits.float(), teacher_logits.float())
    if labels is None:
        return soft
    hard = functional.mse_loss(student_logits.float().squeeze(-1), labels.float())
    return alpha * soft + (1 - alpha) * hard


def _with_labels(soft: Tensor, student_logits: Tensor, labels: Tensor | None, alpha: float) -> Tensor:
    """The mean over rows of the soft loss (batch,) mixed with the labels' cross-entropy."""
    if labels is None:
        return soft.mean()
    hard = functional.cross_entropy(student_logits.float(), labels, ignore_index=NO_LABEL, reduction="none")
    share = torch.where(labels == NO_LABEL, 1.0, alpha)
    return (share * soft + (1 - share) * hard).mean()
