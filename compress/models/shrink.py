"""Making a student by taking layers out of its teacher.

Which names a config uses for its number of layers comes from optimum's normalised configs.
"""

import copy
import re
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import torch
from optimum.utils import NormalizedConfigManager
from transformers import PreTrainedConfig, PreTrainedModel

from compress.errors import ModelError
from compress.models.anatomy import ANATOMIES

Start = Literal["uniform", "first", "last"]


def layer_count(config: PreTrainedConfig) -> int:
    """The number of layers that a config describes, whatever its name for it."""
    try:
        normalized = NormalizedConfigManager.get_normalized_config_class(config.model_type)(config)
        return int(normalized.num_layers)
    except (KeyError, AttributeError):
        return int(getattr(config, "num_hidden_layers", 0))


def choose_layers(wanted: int | Sequence[int], available: int, start: Start = "uniform") -> tuple[int, ...]:
    """The teacher layers that a student inherits, counted from 1.

    A count is spread evenly, with the last layer among them (3 of 6 gives 2, 4, 6), or takes the first
    ones, as BERT-of-Theseus does (Xu et al. 2020, section 4.2), or the last ones. A list must hold the
    last layer. Raises `ModelError` where the teacher has no such layers.
    """
    if isinstance(wanted, int):
        if wanted > available:
            raise ModelError(
                f"student.layers is {wanted}, and the teacher has {available} layers",
                f"a number from 1 to {available}",
                f"set student.layers: {max(1, available // 2)}",
            )
        if start == "first":
            return tuple(range(1, wanted + 1))
        if start == "last":
            return tuple(range(available - wanted + 1, available + 1))
        return tuple(int(layer) for layer in np.round(np.arange(1, wanted + 1) * available / wanted))
    layers = tuple(wanted)
    if layers[-1] > available:
        raise ModelError(
            f"student.layers lists layer {layers[-1]}, and the teacher has {available} layers",
            f"layers from 1 to {available}",
            f"set student.layers: {list(choose_layers(max(1, available // 2), available))}",
        )
    if layers[-1] != available:
        raise ModelError(
            f"student.layers {list(layers)} leaves out the teacher's last layer, {available}",
            "the last layer among them: the head was trained on what it gives",
            f"set student.layers: {[*layers[:-1], available]}",
        )
    return layers


def require_layers(config: PreTrainedConfig) -> int:
    """The teacher's number of layers, where layers can be taken out of it; raises `ModelError` where not."""
    if config.model_type not in ANATOMIES:
        raise ModelError(
            f"layers cannot be taken out of a {config.model_type} model",
            f"one of {', '.join(sorted(ANATOMIES))}",
            "leave student: and distill: out to export, quantise and judge the model itself",
        )
    return layer_count(config)


def shrink_config(config: PreTrainedConfig, layers: Sequence[int]) -> PreTrainedConfig:
    """The config of a model with these of its layers, counted from 1."""
    config = copy.deepcopy(config)
    setattr(config, ANATOMIES[config.model_type].layer_count, len(layers))
    kinds = getattr(config, "layer_types", None)  # one entry per layer
    if kinds:
        config.layer_types = [kinds[layer - 1] for layer in layers]
    return config


def shrink(
    teacher: PreTrainedModel, wanted: int | Sequence[int], start: Start = "uniform"
) -> PreTrainedModel:
    """A new model with these layers of the teacher, its embeddings and its head; the weights are copies."""
    layers = choose_layers(wanted, require_layers(teacher.config), start)
    new_place = {layer - 1: place for place, layer in enumerate(layers)}
    path = re.escape(ANATOMIES[teacher.config.model_type].layers)
    pattern = re.compile(rf"^(.*\b{path}\.)(\d+)(\..*)$")
    weights = {}
    for name, tensor in teacher.state_dict().items():
        match = pattern.match(name)
        if match is None:
            weights[name] = tensor
        elif int(match[2]) in new_place:
            weights[f"{match[1]}{new_place[int(match[2])]}{match[3]}"] = tensor
    return rebuild(teacher, shrink_config(teacher.config, layers), weights)


def rebuild(
    teacher: PreTrainedModel, config: PreTrainedConfig, weights: Mapping[str, torch.Tensor]
) -> PreTrainedModel:
    """A model of the teacher's class with this config and copies of these weights.

    In float32, in evaluation, on the CPU. Every weight must be given, in the shape that the config says.
    """
    student: PreTrainedModel = type(teacher)(copy.deepcopy(config))
    student.load_state_dict(weights, strict=True)
    student.float().eval()
    return student
