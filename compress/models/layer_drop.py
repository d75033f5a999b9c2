"""Structured dropout: whole layers are left out at random while a teacher is fine-tuned.

Fan, Grave and Joulin, "Reducing Transformer Depth on Demand with Structured Dropout" (2019), section 3: a
model that was trained so keeps more of its score when layers are taken out of it.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn
from transformers import PreTrainedConfig, PreTrainedModel

from compress.errors import ModelError
from compress.models.anatomy import ANATOMIES, layers_of

# Their encoders unpack what a layer gives: its hidden states, then attention maps or nothing.
_GIVE_TUPLES = frozenset({"deberta-v2", "mpnet"})


def require_droppable_layers(config: PreTrainedConfig) -> None:
    """Raise `ModelError` for an architecture whose layers do not stand in one list."""
    if config.model_type not in ANATOMIES:
        raise ModelError(
            f"teacher.train.layer_drop leaves out layers, which is not possible with a {config.model_type} model",
            f"one of {', '.join(sorted(ANATOMIES))}: its layers are alike and stand in one list",
            "take layer_drop out, or give another teacher",
        )


@contextmanager
def dropped_layers(model: PreTrainedModel, rate: float) -> Iterator[None]:
    """Within, each layer of a forward pass is left out with this probability; draws from torch's generator.

    Raises `ModelError` for an architecture whose layers do not stand in one list.
    """
    if rate == 0:
        yield
        return
    require_droppable_layers(model.config)
    layers = layers_of(model, "leaving out layers (teacher.train.layer_drop)")
    left_out = torch.rand(len(layers)) < rate
    dropped = [layer for layer, leave in zip(layers, left_out.tolist(), strict=True) if leave]
    passing = _pass_on_in_tuple if model.config.model_type in _GIVE_TUPLES else _pass_on
    for layer in dropped:
        layer.forward = passing
    try:
        yield
    finally:
        for layer in dropped:
            _restore(layer)


def _restore(layer: nn.Module) -> None:
    del layer.__dict__["forward"]


def _pass_on(hidden_states: torch.Tensor, *_: object, **__: object) -> torch.Tensor:
    return hidden_states


def _pass_on_in_tuple(hidden_states: torch.Tensor, *_: object, **__: object) -> tuple[torch.Tensor, None]:
    return hidden_states, None
