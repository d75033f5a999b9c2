"""What methods share: a frozen teacher that answers beside the student, and refusals with a reason."""

from collections.abc import Sequence
from typing import NoReturn

import torch
from torch import nn
from transformers import PreTrainedModel

from compress.errors import ModelError
from compress.models.trained import Trained
from compress.tasks import task_of
from compress.training.lesson import Batch, model_inputs


def freeze(teacher: PreTrainedModel, device: torch.device | str) -> tuple[PreTrainedModel]:
    """The teacher on the device, in evaluation, without gradients; in a tuple, so that no lesson trains it."""
    nn.Module.to(teacher, device).eval()
    for parameter in teacher.parameters():
        parameter.requires_grad = False
    return (teacher,)


def ask(teacher: PreTrainedModel, batch: Batch) -> torch.Tensor:
    """The frozen teacher's logits for a batch; the hooks of its `Features` are filled on the way."""
    with torch.no_grad():
        task = task_of(teacher)
        logits = task.read_logits(teacher(**model_inputs(teacher, batch, of_teacher=True)))
        return task.of_counted(logits, batch)


def only_teacher(teachers: Sequence[Trained], method: str) -> Trained:
    """The one teacher; raises `ModelError` where there are several, whose layers cannot be averaged."""
    if len(teachers) != 1:
        raise ModelError(
            f"the method {method} looks into its teacher, and the recipe has {len(teachers)} teachers",
            "one teacher, or methods that need logits alone (logits)",
            "keep one teacher, or change the method",
        )
    return teachers[0]


def refuse_other_tokens(method: str) -> NoReturn:
    """Raise the `ModelError` of a method that looks inside where student and teacher read other tokens."""
    refuse(
        method,
        "teacher and student cut the same text into different tokens, so their layers do not go together",
        "a student with the teacher's tokenizer, or methods that need logits alone (logits)",
        "make the student from the teacher, or change the method",
    )


def refuse(method: str, reason: str, expected: str, remedy: str) -> NoReturn:
    """Raise the `ModelError` of a method that cannot be used with these models."""
    raise ModelError(f"the method {method} cannot be used here: {reason}", expected, remedy)
