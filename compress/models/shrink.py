"""Making a student by taking layers out of its teacher.

Which names a config uses for its number of layers comes from optimum's normalised configs.
"""

import copy
import re
from collections.abc import Sequence

import numpy as np
from optimum.utils import NormalizedConfigManager
from transformers import AutoModelForSequenceClassification, PreTrainedConfig, PreTrainedModel

from compress.errors import ModelError

# Architectures whose layers are alike and stand in one list, so that any of them can be taken out.
# The value is the parameter-name prefix of that list, below the base model.
LAYER_LISTS = {
    "bert": "encoder.layer",
    "roberta": "encoder.layer",
    "xlm-roberta": "encoder.layer",
    "camembert": "encoder.layer",
    "electra": "encoder.layer",
    "mpnet": "encoder.layer",
    "deberta-v2": "encoder.layer",
    "distilbert": "transformer.layer",
}


def layer_count(config: PreTrainedConfig) -> int:
    """The number of layers that a config describes, whatever its name for it."""
    try:
        normalized = NormalizedConfigManager.get_normalized_config_class(config.model_type)(config)
        return int(normalized.num_layers)
    except (KeyError, AttributeError):
        return int(getattr(config, "num_hidden_layers", 0))


def choose_layers(wanted: int | Sequence[int], available: int) -> tuple[int, ...]:
    """The teacher layers that a student inherits, counted from 1; the last layer is always among them.

    A count is spread evenly: 3 of 6 gives 2, 4, 6.
    """
    if isinstance(wanted, int):
        if wanted > available:
            raise ModelError(
                f"student.layers is {wanted}, and the teacher has {available} layers",
                f"a number from 1 to {available}",
                f"set student.layers: {max(1, available // 2)}",
            )
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
    if config.model_type not in LAYER_LISTS:
        raise ModelError(
            f"layers cannot be taken out of a {config.model_type} model",
            f"one of {', '.join(sorted(LAYER_LISTS))}",
            "leave student: and distill: out to export, quantise and judge the model itself",
        )
    return layer_count(config)


def shrink(teacher: PreTrainedModel, wanted: int | Sequence[int]) -> PreTrainedModel:
    """A new model with these layers of the teacher, its embeddings and its head; the weights are copies."""
    layers = choose_layers(wanted, require_layers(teacher.config))
    config = copy.deepcopy(teacher.config)
    _set_layer_count(config, len(layers))
    student: PreTrainedModel = AutoModelForSequenceClassification.from_config(config)
    new_place = {layer - 1: place for place, layer in enumerate(layers)}
    pattern = re.compile(rf"^(.*\b{re.escape(LAYER_LISTS[config.model_type])}\.)(\d+)(\..*)$")
    weights = {}
    for name, tensor in teacher.state_dict().items():
        match = pattern.match(name)
        if match is None:
            weights[name] = tensor
        elif int(match[2]) in new_place:
            weights[f"{match[1]}{new_place[int(match[2])]}{match[3]}"] = tensor
    student.load_state_dict(weights, strict=True)
    return student


def _set_layer_count(config: PreTrainedConfig, count: int) -> None:
    name = "n_layers" if config.model_type == "distilbert" else "num_hidden_layers"
    setattr(config, name, count)
