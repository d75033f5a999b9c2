"""No distillation: the student learns from the labels alone. The baseline that a method has to beat."""

from collections.abc import Sequence
from typing import Literal

import torch

from compress.distill.teaching import refuse
from compress.models.trained import Trained
from compress.training.lesson import Batch, Lesson
from compress.training.options import TrainOptions


class Plain(TrainOptions):
    """Train on the labels, without a teacher."""

    method: Literal["plain"]

    def lesson(self, student: Trained, teachers: Sequence[Trained], device: str) -> Lesson:  # noqa: ARG002
        """The task's own loss, of a classifier cross-entropy, with the labels."""
        return _FromLabels(student.model)


class _FromLabels(Lesson):
    def loss(self, batch: Batch) -> torch.Tensor:
        if "labels" not in batch:
            refuse("plain", "the data has no labels", "labels to learn from", "take another method")
        return self.task.hard_loss(self.answer(batch), batch["labels"])
