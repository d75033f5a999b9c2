"""Making a model narrower: dimensions of its hidden states and attention heads are cut.

Every layer adds to the same hidden states, so one set of dimensions is cut everywhere. Heads are cut
layer by layer; each keeps its size, on which the scale of its scores depends. What a pooler gives is
a space of its own, whose dimensions are chosen apart.
"""

import copy
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import PreTrainedConfig, PreTrainedModel

from compress.errors import ModelError
from compress.models.anatomy import ANATOMIES, Anatomy, head_count, layers_of, width
from compress.models.importance import Gate, Importance, Site, Units, most_important
from compress.models.shrink import rebuild

Axis = Literal["width", "heads", "pooled"] | None  # None: an axis that keeps its size
Axes = tuple[Axis, ...]

_TABLE: Axes = (None, "width")
_NORM: Axes = ("width",)
_POOLER: Axes = ("pooled", "width")
_OUTPUT: Axes = (None, "pooled")
_TRANSFORM: Axes = ("width", "width")  # its output meets the word embeddings, so it has their dimensions

# What the axes of weights stand for, by module; a bias has the first of them.
_OUTSIDE: dict[str, Axes] = {
    "embeddings.word_embeddings": _TABLE,
    "embeddings.position_embeddings": _TABLE,
    "embeddings.token_type_embeddings": _TABLE,
    "embeddings.LayerNorm": _NORM,
    "pooler.dense": _POOLER,
    "pre_classifier": _POOLER,
    "classifier.dense": _POOLER,
    "classifier": _OUTPUT,
    "classifier.out_proj": _OUTPUT,
    # Masked language models.
    "cls.predictions.transform.dense": _TRANSFORM,
    "cls.predictions.transform.LayerNorm": _NORM,
    "cls.predictions.decoder": _TABLE,
    "cls.predictions": (None,),
    "lm_head.dense": _TRANSFORM,
    "lm_head.layer_norm": _NORM,
    "lm_head.decoder": _TABLE,
    "lm_head": (None,),
    "vocab_transform": _TRANSFORM,
    "vocab_layer_norm": _NORM,
    "vocab_projector": _TABLE,
}
# ELECTRA's embeddings may have a width of their own, which is kept.
_PROJECTED: dict[str, Axes] = {
    "embeddings.word_embeddings": (None, None),
    "embeddings.position_embeddings": (None, None),
    "embeddings.token_type_embeddings": (None, None),
    "embeddings.LayerNorm": (None,),
    "embeddings_project": ("width", None),
}
_ATTENTION_OUT = {"distilbert": "attention.out_lin"}  # elsewhere attention.output.dense
_LAYER_NORMS = ("attention.output.LayerNorm", "output.LayerNorm", "sa_layer_norm", "output_layer_norm")
_NOT_PLAIN = {
    "mpnet": "all its layers share one table of position biases by head, and each would keep other heads",
    "deberta-v2": "its heads also read a second table, of relative positions, which no importance is known for",
}


@dataclass(frozen=True)
class Kept:
    """What a narrower model inherits, as places counted from 0, in the order in which it has them."""

    dimensions: NDArray[np.int64]
    heads: tuple[NDArray[np.int64], ...]  # for each layer
    pooled: NDArray[np.int64]  # of the pooler; as many as dimensions


def narrow_config(config: PreTrainedConfig, hidden_size: int) -> PreTrainedConfig:
    """The config with this width and as many heads as fit; raises `ModelError` where that cannot be made."""
    anatomy = _require_plain(config)
    available = width(config)
    head_size = available // head_count(config)
    if hidden_size > available:
        raise ModelError(
            f"student.hidden_size is {hidden_size}, and the teacher is {available} wide",
            f"a multiple of {head_size}, the size of a head, up to {available}",
            f"set student.hidden_size: {max(1, available // head_size // 2) * head_size}",
        )
    if hidden_size % head_size:
        below = hidden_size // head_size * head_size
        nearest = " or ".join(str(size) for size in (below, below + head_size) if 0 < size <= available)
        raise ModelError(
            f"student.hidden_size is {hidden_size}, and the teacher's attention heads are {head_size} wide",
            f"a multiple of {head_size}, since heads are kept or cut whole",
            f"set student.hidden_size: {nearest}",
        )
    embedding_size = getattr(config, "embedding_size", None)  # ELECTRA's
    if embedding_size == hidden_size != available:
        raise ModelError(
            f"student.hidden_size is {hidden_size}, which is the width of the teacher's embeddings: "
            f"a {config.model_type} model of that size has no projection after them, and the teacher's would be lost",
            f"a multiple of {head_size} other than {hidden_size}",
            f"set student.hidden_size: {hidden_size + head_size}",
        )
    narrower = copy.deepcopy(config)
    if embedding_size == available:
        narrower.embedding_size = hidden_size
    setattr(narrower, anatomy.width, hidden_size)
    setattr(narrower, anatomy.heads, hidden_size // head_size)
    return narrower


def width_gates(model: PreTrainedModel) -> dict[Units, Gate]:
    """Gates on the heads of each layer, on the dimensions of the hidden states, and on those of the pooler.

    A dimension is closed wherever hidden states come out of a LayerNorm (or of ELECTRA's projection).
    """
    _require_plain(model.config)
    size, heads = width(model.config), head_count(model.config)
    modules = dict(model.named_modules())
    gates = {
        Units("heads", number): Gate(heads, (Site(layer.get_submodule(_attention_out(model)), "input"),))
        for number, layer in enumerate(layers_of(model, "cutting heads"), start=1)
    }
    hidden, pooled = [], []
    for name, axes in _module_axes(model):
        if axes == _NORM or name.endswith("embeddings_project"):
            hidden.append(Site(modules[name], "output"))
        elif axes == _POOLER:
            pooled.append(Site(modules[name], "output"))
    gates[Units("width")] = Gate(size, tuple(hidden))
    if pooled:
        gates[Units("pooled")] = Gate(size, tuple(pooled))
    return gates


def keep_widest(importance: Importance, config: PreTrainedConfig, layers: tuple[int, ...]) -> Kept:
    """What the narrower model of this config keeps: in these layers, counted from 1, what matters most."""
    size, heads = width(config), head_count(config)
    dimensions = most_important(importance[Units("width")], size)
    pooled = importance.get(Units("pooled"))
    return Kept(
        dimensions,
        tuple(most_important(importance[Units("heads", layer)], heads) for layer in layers),
        dimensions if pooled is None else most_important(pooled, size),
    )


def narrow(model: PreTrainedModel, kept: Kept) -> PreTrainedModel:
    """A new model with these dimensions and heads; every weight is a copy of one of the model's."""
    config = narrow_config(model.config, len(kept.dimensions))
    head_size = width(model.config) // head_count(model.config)
    places = {"width": kept.dimensions, "pooled": kept.pooled}
    axes = dict(_module_axes(model))
    weights = {}
    for name, tensor in model.state_dict().items():
        module = name.rpartition(".")[0]
        for axis, kind in enumerate(axes[module][: tensor.dim()]):
            if kind is None:
                continue
            found = _head_values(kept, module, head_size) if kind == "heads" else places[kind]
            tensor = tensor.index_select(axis, torch.from_numpy(found).to(tensor.device))  # noqa: PLW2901
        weights[name] = tensor
    return rebuild(model, config, weights)


def _head_values(kept: Kept, module: str, head_size: int) -> NDArray[np.int64]:
    """The values that the kept heads of this module's layer have in its queries, keys, values and output."""
    number = re.search(r"\.layer\.(\d+)\.", module)
    assert number is not None
    heads = kept.heads[int(number[1])]
    return (heads[:, None] * head_size + np.arange(head_size)).ravel()


def _module_axes(model: PreTrainedModel) -> Iterator[tuple[str, Axes]]:
    """What the axes of each module's weights stand for; raises `ModelError` at a module that is not known."""
    anatomy = _require_plain(model.config)
    projected = hasattr(model.base_model, "embeddings_project")
    outside = _OUTSIDE | (_PROJECTED if projected else {})
    inside: dict[str, Axes] = {
        anatomy.query: ("heads", "width"),
        anatomy.key: ("heads", "width"),
        anatomy.value: ("heads", "width"),
        _attention_out(model): ("width", "heads"),
        anatomy.feed_forward_in: (None, "width"),
        anatomy.feed_forward_out: ("width", None),
        **dict.fromkeys(_LAYER_NORMS, _NORM),
    }
    layer = re.compile(rf"^{re.escape(anatomy.layers)}\.\d+\.(.*)$")
    for module in dict.fromkeys(name.rpartition(".")[0] for name in model.state_dict()):
        name = module.removeprefix(f"{model.base_model_prefix}.")
        in_layer = layer.match(name)
        axes = inside.get(in_layer[1]) if in_layer else outside.get(name)
        if axes is None:
            raise ModelError(
                f"student.hidden_size: this {model.config.model_type} model has a part that is not known, {name}",
                "a classifier or masked language model of transformers' own",
                "leave student.hidden_size out",
            )
        yield module, axes


def _attention_out(model: PreTrainedModel) -> str:
    return _ATTENTION_OUT.get(model.config.model_type, "attention.output.dense")


def _require_plain(config: PreTrainedConfig) -> Anatomy:
    anatomy = ANATOMIES.get(config.model_type)
    if anatomy is not None and anatomy.plain_attention:
        return anatomy
    reason = _NOT_PLAIN.get(config.model_type, "its parts are not known")
    known = sorted(name for name, anatomy in ANATOMIES.items() if anatomy.plain_attention)
    raise ModelError(
        f"student.hidden_size: a {config.model_type} model cannot be made narrower: {reason}",
        f"one of {', '.join(known)}",
        "leave student.hidden_size out; layers and intermediate_size make a smaller student too"
        if anatomy is not None
        else "leave student.hidden_size out",
    )
