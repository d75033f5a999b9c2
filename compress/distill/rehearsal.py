"""Every lesson on models without weights, so that a refusal comes before anything is trained."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

import torch
from transformers import (
    MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING,
    AutoModelForSequenceClassification,
    PreTrainedConfig,
    PreTrainedTokenizerFast,
)

from compress.distill import Distill, MiniLM
from compress.distill.teaching import refuse_other_tokens
from compress.errors import ModelError
from compress.models.trained import Trained
from compress.students import FromTeacher

NO_DEVICE = "meta"  # PyTorch's: shapes without numbers


def rehearse(
    methods: Mapping[str, Distill],
    student: PreTrainedConfig,
    teachers: Sequence[PreTrainedConfig],
    *,
    same_tokens: bool,
) -> list[ModelError]:
    """What each method, by its place in the recipe, refuses of these models.

    `same_tokens` says that student and teacher cut texts alike. A model with code of its own, which may not
    stand being built without weights, is left for the training itself to find out.
    """
    if any(type(config) not in MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING for config in (student, *teachers)):
        return []
    faults = []
    for place, method in methods.items():
        try:
            _rehearse(method, student, teachers)
            if method.looks_inside and not same_tokens:
                refuse_other_tokens(method.method)
        except ModelError as error:
            faults.append(ModelError(f"{place}: {error.found}", error.expected, error.remedy))
    return faults


def _rehearse(method: Distill, student: PreTrainedConfig, teachers: Sequence[PreTrainedConfig]) -> None:
    _lesson(method, student, teachers)
    if isinstance(method, MiniLM) and method.assistant is not None:
        assistant = FromTeacher(layers=method.assistant.layers).config(teachers[0])
        _lesson(method.model_copy(update={"assistant": None}), assistant, teachers)
        _lesson(method, student, [assistant])


def _lesson(method: Distill, student: PreTrainedConfig, teachers: Sequence[PreTrainedConfig]) -> None:
    with torch.device(NO_DEVICE):
        method.lesson(_without_weights(student), [_without_weights(one) for one in teachers], NO_DEVICE)


def _without_weights(config: PreTrainedConfig) -> Trained:
    model = AutoModelForSequenceClassification.from_config(config)
    labels = tuple((config.id2label or {}).values())
    # A lesson looks at models alone; texts are encoded beside it.
    return Trained(model, cast(PreTrainedTokenizerFast, None), labels, 0, Path())
