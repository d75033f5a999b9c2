"""Structured dropout: whole layers are left out at random while a teacher is fine-tuned.

Fan, Grave and Joulin, "Reducing Transformer Depth on Demand with Structured Dropout" (2019), section 3: a
model that was trained so keeps more of its score when layers are taken out of it.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn
from transformers import PreTrainedModel

from compress.models.anatomy import layers_of


@contextmanager
def dropped_layers(model: PreTrainedModel, rate: float) -> Iterator[None]:
    """Within, each layer of a forward pass is left out with this probability; draws from torch's generator.

    Raises `ModelError` for an architecture whose layers do not stand in one list.
    """
    if rate == 0:
        yield
        return
    layers = layers_of(model, "leaving out layers (teacher.train.layer_drop)")
    left_out = torch.rand(len(layers)) < rate
    dropped = [layer for layer, leave in zip(layers, left_out.tolist(), strict=True) if leave]
    for layer in dropped:
        layer.forward = _pass_on
    try:
        yield
    finally:
        for layer in dropped:
            _restore(layer)


def _restore(layer: nn.Module) -> None:
    del layer.__dict__["forward"]


def _pass_on(hidden_states: torch.Tensor, *_: object, **__: object) -> torch.Tensor:
    return hidden_states
