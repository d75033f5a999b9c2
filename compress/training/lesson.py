"""What the training loop trains: a model together with the loss that it learns by."""

import torch
from torch import nn
from transformers import PreTrainedModel

from compress.models.predict import input_names
from compress.tasks import task_of

# `input_ids` and `attention_mask` (batch, tokens); `labels` as the task has them, of a classifier (batch,), with
# NO_LABEL where only a teacher answers; `teacher_logits`, of a classifier (batch, labels). What is not known is absent.
# Where the teacher has a vocabulary of its own there is `teacher_input_ids` (batch, tokens), token for token. Of pairs
# of texts there is `token_type_ids`, and `teacher_token_type_ids` beside `teacher_input_ids`. Where tokens have labels,
# `counted` (batch, tokens) is 1 for those that are learnt from; of them alone are the labels and logits of a loss.
# Where each text of a pair is read by itself, `texts` (rows,) says how many a row has; those of a row stand one after
# the other along `batch`.
Batch = dict[str, torch.Tensor]


def model_inputs(model: PreTrainedModel, batch: Batch, *, of_teacher: bool = False) -> Batch:
    """What this model's forward pass takes of a batch; `of_teacher`: the teacher's own tokens, where it has some."""
    names = ("input_ids", "token_type_ids") if "token_type_ids" in input_names(model) else ("input_ids",)
    given = {name: f"teacher_{name}" if of_teacher and f"teacher_{name}" in batch else name for name in names}
    found = {name: batch[key] for name, key in given.items() if key in batch}
    return {**found, "attention_mask": batch["attention_mask"]}


class Lesson(nn.Module):
    """A student with whatever else a method trains (projections, a peer); its forward pass gives the loss.

    What is registered as a submodule is trained and lies in checkpoints. A frozen teacher must be neither,
    so `compress.distill.teaching.freeze` hands it out in a tuple.
    """

    total_steps: int = 0  # of the training; set by the loop before it begins

    def __init__(self, student: PreTrainedModel) -> None:
        super().__init__()
        self.student = student
        self.task = task_of(student)

    def loss(self, batch: Batch) -> torch.Tensor:
        """The loss of one batch, a scalar; each method gives its own."""
        raise NotImplementedError

    def answer(self, batch: Batch) -> torch.Tensor:
        """The student's logits: what its task reads, of a classifier (batch, labels)."""
        return self.task.of_counted(self._read(batch), batch)

    def _read(self, batch: Batch) -> torch.Tensor:
        return self.task.read_logits(self.student(**model_inputs(self.student, batch)))

    def forward(self, **batch: torch.Tensor) -> dict[str, torch.Tensor]:
        """`loss` while training, else the student's `logits`, by which checkpoints are selected."""
        if self.training:
            return {"loss": self.loss(self.task.gathered(batch))}
        logits = self._read(batch)
        if "texts" in batch:
            logits = self.task.by_example(logits, int(batch["texts"][0]))
        return {"logits": logits}
