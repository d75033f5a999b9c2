"""Hinton's soft targets: the student learns the teacher's softened probabilities.

Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural Network" (2015), section 2. The squared
difference of logits is its limit for high temperatures (section 2.1; Ba and Caruana, 2014).
"""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field
from torch import Tensor

from compress.distill.soft import matched_logits, regression_targets, soft_label_sets, soft_targets
from compress.models.trained import Trained
from compress.tasks.interface import Imitation
from compress.training.lesson import Batch, Lesson
from compress.training.options import TrainOptions

__all__ = ["Logits", "matched_logits", "regression_targets", "soft_label_sets", "soft_targets"]


class Logits(TrainOptions):
    """Match the teacher's softened probabilities, or, where a task has none, its answers."""

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

    def loss(self, batch: Batch) -> Tensor:
        options = self._options
        return self.task.soft_loss(
            self.answer(batch),
            batch["teacher_logits"],
            batch.get("labels"),
            Imitation(options.temperature, options.alpha, options.loss),
        )
