"""Deep mutual learning: teacher and student train together and learn from each other's predictions.

Zhang et al., "Deep Mutual Learning" (2018), sections 2.1 and 2.2, with a peer that begins as the teacher.
"""

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field, PositiveFloat
from transformers import PreTrainedModel

from compress.distill.task_loss import task_loss
from compress.distill.teaching import only_teacher
from compress.models.shrink import rebuild
from compress.models.trained import Trained
from compress.tasks import SINGLE_LABEL, Task
from compress.tasks.interface import Imitation
from compress.training.lesson import Batch, Lesson, model_inputs
from compress.training.options import TrainOptions


class Mutual(TrainOptions):
    """Train a copy of the teacher beside the student, each on the labels and on the other's predictions.

    Both are updated by one optimiser step per batch, from the same predictions; the paper updates them in
    turn within a batch. It takes the memory of training the teacher.
    """

    looks_inside: ClassVar[bool] = True

    method: Literal["mutual"]
    weight: PositiveFloat = 1.0  # of the other's predictions; the task's loss has 1
    temperature: Annotated[float, Field(gt=0, le=100)] = 1.0

    def lesson(self, student: Trained, teachers: Sequence[Trained], device: str) -> "Peers":  # noqa: ARG002
        """The sum of both losses. The teacher that is given stays as it is: its copy learns.

        Raises `ModelError` for several teachers.
        """
        teacher = only_teacher(teachers, self.method).model
        return Peers(student.model, rebuild(teacher, teacher.config, teacher.state_dict()), self)


class Peers(Lesson):
    """The student, and beside it the peer that is trained and kept in checkpoints with it."""

    def __init__(self, student: PreTrainedModel, peer: PreTrainedModel, options: Mutual) -> None:
        super().__init__(student)
        self.peer = peer
        self._options = options

    def loss(self, batch: Batch) -> torch.Tensor:
        """The student's loss plus the peer's, (); see `mutual_loss`."""
        logits = self.answer(batch)
        peer_logits = self.task.read_logits(self.peer(**model_inputs(self.peer, batch, of_teacher=True)))
        peer_logits = self.task.of_counted(peer_logits, batch)
        own = mutual_loss(logits, peer_logits, batch, self._options, self.task)
        return own + mutual_loss(peer_logits, logits, batch, self._options, self.task)


def mutual_loss(
    logits: torch.Tensor,
    other_logits: torch.Tensor,
    batch: Batch,
    options: Mutual,
    task: Task = SINGLE_LABEL,
) -> torch.Tensor:
    """The task's loss plus `weight` times T squared times KL(other || own) at temperature T; a scalar.

    Logits are (batch, labels); equations 5 and 6 of the paper, which has T = 1. The other's predictions are
    constants: no gradient reaches them. Rows without a label have the teacher's probabilities as their task
    (`task_loss`), so the two cannot talk each other out of it.
    """
    imitation = task.soft_loss(logits, other_logits.detach(), None, Imitation(options.temperature))
    return task_loss(logits, batch, options.method, task) + options.weight * imitation
