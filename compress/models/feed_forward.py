"""Cutting neurons out of the feed-forward parts of a model's layers."""

import copy
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import PreTrainedConfig, PreTrainedModel

from compress.errors import ModelError
from compress.models.anatomy import ANATOMIES, Anatomy, layers_of
from compress.models.importance import Gate, Site, Units
from compress.models.shrink import rebuild


def feed_forward_config(config: PreTrainedConfig, size: int) -> PreTrainedConfig:
    """The config with this many neurons in each layer; raises `ModelError` where that cannot be made."""
    anatomy = _require_anatomy(config)
    available = int(getattr(config, anatomy.feed_forward))
    if size > available:
        raise ModelError(
            f"student.intermediate_size is {size}, and the teacher's layers have {available} neurons",
            f"a number from 1 to {available}",
            f"set student.intermediate_size: {max(1, available // 2)}",
        )
    config = copy.deepcopy(config)
    setattr(config, anatomy.feed_forward, size)
    return config


def neuron_gates(model: PreTrainedModel) -> dict[Units, Gate]:
    """For each layer a gate on what its neurons hand on, after the activation."""
    anatomy = _require_anatomy(model.config)
    count = int(getattr(model.config, anatomy.feed_forward))
    return {
        Units("neurons", number): Gate(count, (Site(layer.get_submodule(anatomy.feed_forward_out), "input"),))
        for number, layer in enumerate(layers_of(model, "cutting neurons"), start=1)
    }


def cut_neurons(model: PreTrainedModel, kept: Sequence[NDArray[np.int64]]) -> PreTrainedModel:
    """A new model with these neurons of each layer, as many in every one; the weights are copies.

    With the neurons go rows of the first linear module and columns of the second.
    """
    anatomy = _require_anatomy(model.config)
    weights = model.state_dict()
    for number, neurons in enumerate(kept):
        index = torch.from_numpy(neurons).to(model.device)
        place = f"{model.base_model_prefix}.{anatomy.layers}.{number}"
        for name, axis in (
            (f"{anatomy.feed_forward_in}.weight", 0),
            (f"{anatomy.feed_forward_in}.bias", 0),
            (f"{anatomy.feed_forward_out}.weight", 1),
        ):
            weights[f"{place}.{name}"] = weights[f"{place}.{name}"].index_select(axis, index)
    return rebuild(model, feed_forward_config(model.config, len(kept[0])), weights)


def _require_anatomy(config: PreTrainedConfig) -> Anatomy:
    if config.model_type not in ANATOMIES:
        raise ModelError(
            f"student.intermediate_size: neurons cannot be cut out of a {config.model_type} model",
            f"one of {', '.join(sorted(ANATOMIES))}",
            "leave student.intermediate_size out",
        )
    return ANATOMIES[config.model_type]
