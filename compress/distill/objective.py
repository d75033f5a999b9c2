"""What a distillation method gives to the training loop."""

from typing import Protocol

from torch import Tensor


class Objective(Protocol):
    """The loss of one batch."""

    def __call__(self, student_logits: Tensor, teacher_logits: Tensor, labels: Tensor | None) -> Tensor:
        """A scalar; logits are of shape (batch, labels), labels of shape (batch,) or absent."""
        ...
