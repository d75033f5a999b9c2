"""Where each architecture keeps its layers, its queries, keys and values, and its feed-forward neurons.

One table for everything that reaches into an encoder: taking layers out, cutting neurons, and reading
hidden states and attention. Paths are below the base model (`model.base_model`) or below one layer.
"""

from dataclasses import dataclass

from torch import nn
from transformers import PreTrainedConfig, PreTrainedModel

from compress.errors import ModelError


@dataclass(frozen=True)
class Anatomy:
    """The names of an architecture's parts."""

    layers: str  # the list of layers, below the base model
    query: str  # linear modules below one layer
    key: str
    value: str
    feed_forward_in: str
    feed_forward_out: str
    # Whether scores are scaled dot products of query and key and nothing else.
    plain_attention: bool = True
    # A config's names for its sizes.
    layer_count: str = "num_hidden_layers"
    width: str = "hidden_size"
    heads: str = "num_attention_heads"
    feed_forward: str = "intermediate_size"


_BERT = Anatomy(
    layers="encoder.layer",
    query="attention.self.query",
    key="attention.self.key",
    value="attention.self.value",
    feed_forward_in="intermediate.dense",
    feed_forward_out="output.dense",
)
ANATOMIES = {
    "bert": _BERT,
    "roberta": _BERT,
    "xlm-roberta": _BERT,
    "camembert": _BERT,
    "electra": _BERT,
    "mpnet": Anatomy(
        layers="encoder.layer",
        query="attention.attn.q",
        key="attention.attn.k",
        value="attention.attn.v",
        feed_forward_in="intermediate.dense",
        feed_forward_out="output.dense",
        plain_attention=False,  # adds a bias for relative positions
    ),
    "deberta-v2": Anatomy(
        layers="encoder.layer",
        query="attention.self.query_proj",
        key="attention.self.key_proj",
        value="attention.self.value_proj",
        feed_forward_in="intermediate.dense",
        feed_forward_out="output.dense",
        plain_attention=False,  # content and position are disentangled
    ),
    "distilbert": Anatomy(
        layers="transformer.layer",
        query="attention.q_lin",
        key="attention.k_lin",
        value="attention.v_lin",
        feed_forward_in="ffn.lin1",
        feed_forward_out="ffn.lin2",
        layer_count="n_layers",
        width="dim",
        heads="n_heads",
        feed_forward="hidden_dim",
    ),
}


def anatomy_of(config: PreTrainedConfig, purpose: str) -> Anatomy:
    """The parts of this architecture; raises `ModelError` with what they were needed for."""
    if config.model_type not in ANATOMIES:
        raise ModelError(
            f"{purpose} is not possible with a {config.model_type} model",
            f"one of {', '.join(sorted(ANATOMIES))}: its layers are alike and stand in one list",
            "use another model, or a method that needs logits alone (distill: [{method: logits}])",
        )
    return ANATOMIES[config.model_type]


def layers_of(model: PreTrainedModel, purpose: str) -> nn.ModuleList:
    """The list of a model's layers; raises `ModelError` where the architecture has none."""
    found = model.base_model.get_submodule(anatomy_of(model.config, purpose).layers)
    assert isinstance(found, nn.ModuleList)
    return found


def head_count(config: PreTrainedConfig) -> int:
    """The number of attention heads, whatever the config's name for it."""
    return int(getattr(config, anatomy_of(config, "counting heads").heads))


def width(config: PreTrainedConfig) -> int:
    """The width of the hidden states, whatever the config's name for it."""
    return int(getattr(config, anatomy_of(config, "reading the hidden size").width))
