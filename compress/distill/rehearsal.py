"""Every lesson on models without weights, so that a refusal comes before anything is trained."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

import torch
from transformers import (
    PreTrainedConfig,
    PreTrainedTokenizerFast,
)

from compress.distill import Distill, MiniLM
from compress.distill.teaching import refuse_other_tokens
from compress.errors import ModelError
from compress.models.heads import auto_class
from compress.models.trained import Trained
from compress.students import FromTeacher
from compress.tasks import SINGLE_LABEL, Task

NO_DEVICE = "meta"  # PyTorch's: shapes without numbers


def rehearse(
    methods: Mapping[str, Distill],
    student: PreTrainedConfig,
    teachers: Sequence[PreTrainedConfig],
    *,
    same_tokens: bool,
    task: Task = SINGLE_LABEL,
) -> list[ModelError]:
    """What each method, by its place in the recipe, refuses of these models.

    `same_tokens` says that student and teacher cut texts alike. A model with code of its own, which may not
    stand being built without weights, is left for the training itself to find out.
    """
    known = auto_class(task.head)._model_mapping
    if any(type(config) not in known for config in (student, *teachers)):
        return []
    faults = []
    for place, method in methods.items():
        try:
            _rehearse(method, student, teachers, task)
            if method.looks_inside and not same_tokens:
                refuse_other_tokens(method.method)
        except ModelError as error:
            faults.append(ModelError(f"{place}: {error.found}", error.expected, error.remedy))
    return faults


def _rehearse(
    method: Distill, student: PreTrainedConfig, teachers: Sequence[PreTrainedConfig], task: Task
) -> None:
    _lesson(method, student, teachers, task)
    if isinstance(method, MiniLM) and method.assistant is not None:
        assistant = FromTeacher(layers=method.assistant.layers).config(teachers[0])
        _lesson(method.model_copy(update={"assistant": None}), assistant, teachers, task)
        _lesson(method, student, [assistant], task)


def _lesson(
    method: Distill, student: PreTrainedConfig, teachers: Sequence[PreTrainedConfig], task: Task
) -> None:
    with torch.device(NO_DEVICE):
        learns, knows = _without_weights(student, task), [_without_weights(one, task) for one in teachers]
        method.lesson(learns, knows, NO_DEVICE)


def _without_weights(config: PreTrainedConfig, task: Task) -> Trained:
    model = auto_class(task.head).from_config(config)
    labels = tuple((config.id2label or {}).values())
    # A lesson looks at models alone; texts are encoded beside it.
    return Trained(model, cast(PreTrainedTokenizerFast, None), labels, 0, Path())
