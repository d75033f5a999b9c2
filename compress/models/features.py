"""What a model computes inside, read by hooks: the same whatever its attention implementation is.

`output_attentions=True` gives nothing under sdpa, and maps after the softmax under eager attention;
queries, keys and values are read where they are computed, and scores and relations are made of them.
"""

from collections.abc import Iterable
from typing import Literal, NamedTuple

import torch
from torch import nn
from transformers import PreTrainedModel

from compress.errors import ModelError
from compress.models.anatomy import anatomy_of, head_count, layers_of

Kind = Literal["hidden", "query", "key", "value", "pooler"]


class Part(NamedTuple):
    """One thing to read. Layers are counted from 1; hidden state 0 is the embeddings' output."""

    kind: Kind
    layer: int = 0


class Features:
    """Hooks in a model; after each forward pass they hold what was asked for, with its gradients.

    Raises `ModelError` where the architecture does not have a part, or has fewer layers.
    """

    def __init__(self, model: PreTrainedModel, parts: Iterable[Part]) -> None:
        self._values: dict[Part, torch.Tensor] = {}
        self.heads = head_count(model.config)
        self._handles = [
            _module(model, part).register_forward_hook(self._keeper(part)) for part in sorted(set(parts))
        ]

    def __getitem__(self, part: Part) -> torch.Tensor:
        """What the last forward pass computed: (batch, tokens, width), or (batch, width) for the pooler."""
        return self._values[part]

    def clear(self) -> None:
        """Let go of what is held, and of the graph behind it."""
        self._values.clear()

    def close(self) -> None:
        """Take the hooks out."""
        for handle in self._handles:
            handle.remove()
        self.clear()

    def _keeper(self, part: Part) -> "_Keeper":
        return _Keeper(self._values, part)


class _Keeper:
    def __init__(self, values: dict[Part, torch.Tensor], part: Part) -> None:
        self._values, self._part = values, part

    def __call__(self, _module: nn.Module, _arguments: object, output: object) -> None:
        value = output[0] if isinstance(output, tuple) else output
        assert isinstance(value, torch.Tensor)
        self._values[self._part] = value


def split_heads(values: torch.Tensor, heads: int) -> torch.Tensor:
    """(batch, tokens, width) to (batch, heads, tokens, width / heads)."""
    batch, tokens, width = values.shape
    return values.view(batch, tokens, heads, width // heads).transpose(1, 2)


def attention_scores(query: torch.Tensor, key: torch.Tensor, heads: int) -> torch.Tensor:
    """Scaled dot products before mask and softmax, (batch, heads, tokens, tokens)."""
    queries, keys = split_heads(query, heads), split_heads(key, heads)
    scores: torch.Tensor = queries @ keys.transpose(-1, -2) / queries.shape[-1] ** 0.5
    return scores


def _module(model: PreTrainedModel, part: Part) -> nn.Module:
    purpose = f"reading the {part.kind} of layer {part.layer}" if part.layer else f"reading the {part.kind}"
    anatomy = anatomy_of(model.config, purpose)
    base: nn.Module = model.base_model
    if part.kind == "pooler":
        for owner, name in ((base, "pooler"), (model, "pre_classifier"), (model, "classifier.dense")):
            try:
                found = owner.get_submodule(name)
            except AttributeError:
                continue
            if isinstance(found, nn.Module):
                return found
        raise ModelError(
            f"{purpose} is not possible: this {model.config.model_type} model has no pooler",
            "a model with a layer between its encoder and its output",
            "match feature: hidden of the last layer instead",
        )
    if part == ("hidden", 0):
        return base.get_submodule("embeddings")
    layers = layers_of(model, purpose)
    if not 1 <= part.layer <= len(layers):
        raise ModelError(
            f"{purpose} is not possible: the model has {len(layers)} layers",
            f"a layer from 1 to {len(layers)} (0 is the embeddings' output)",
            "correct the layer in the recipe's distill:",
        )
    layer = layers[part.layer - 1]
    if part.kind == "hidden":
        return layer
    return layer.get_submodule(getattr(anatomy, part.kind))
