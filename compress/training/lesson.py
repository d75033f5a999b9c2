"""What the training loop trains: a model together with the loss that it learns by."""

import torch
from torch import nn
from transformers import PreTrainedModel

# `input_ids` and `attention_mask` (batch, tokens); `labels` (batch,), NO_LABEL where only a teacher answers;
# `teacher_logits` (batch, labels). What is not known is absent. Where the teacher has a vocabulary of its
# own there is `teacher_input_ids` (batch, tokens), token for token.
Batch = dict[str, torch.Tensor]


class Lesson(nn.Module):
    """A student with whatever else a method trains (projections, a peer); its forward pass gives the loss.

    What is registered as a submodule is trained and lies in checkpoints. A frozen teacher must be neither,
    so `compress.distill.teaching.freeze` hands it out in a tuple.
    """

    total_steps: int = 0  # of the training; set by the loop before it begins

    def __init__(self, student: PreTrainedModel) -> None:
        super().__init__()
        self.student = student

    def loss(self, batch: Batch) -> torch.Tensor:
        """The loss of one batch, a scalar; each method gives its own."""
        raise NotImplementedError

    def answer(self, batch: Batch) -> torch.Tensor:
        """The student's logits, (batch, labels)."""
        logits: torch.Tensor = self.student(
            input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]
        ).logits
        return logits

    def forward(self, **batch: torch.Tensor) -> dict[str, torch.Tensor]:
        """`loss` while training, else the student's `logits`, by which checkpoints are selected."""
        if self.training:
            return {"loss": self.loss(batch)}
        return {"logits": self.answer(batch)}
