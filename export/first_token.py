"""The last layer computed for the first token alone, since the classification head reads nothing else.

Keys and values need every token; the query, the output projection and the feed-forward block (ten of
a layer's twelve squared widths of weights) are needed for one. The answer is the same: each of those works
on tokens one by one. A student of three layers loses more than a quarter of its work.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from transformers import PreTrainedModel

# Architectures of BERT's layer, whose classification head reads the first token.
LIKE_BERT = frozenset({"bert", "roberta", "xlm-roberta", "camembert", "electra"})


@contextmanager
def last_layer_for_first_token(model: PreTrainedModel) -> Iterator[None]:
    """Within it, the model's last layer returns hidden states of shape (batch, 1, width).

    Models of other architectures stay as they are, and those whose head reads more than that token.
    """
    classifies = "ForSequenceClassification" in type(model).__name__
    if model.config.model_type not in LIKE_BERT or not classifies:
        yield
        return
    base: Any = model.base_model
    layers: nn.ModuleList = base.encoder.layer
    last = layers[-1]
    layers[-1] = _FirstTokenLayer(last).eval()
    try:
        yield
    finally:
        layers[-1] = last


class _FirstTokenLayer(nn.Module):
    """A BERT layer whose queries are those of the first token."""

    layer: Any  # its parts are known by name alone

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(
        self,
        hidden_states: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        *_: object,
        **__: object,
    ) -> torch.Tensor:
        """(batch, tokens, width) to (batch, 1, width); the mask is (batch, 1, tokens or 1, tokens)."""
        attention = self.layer.attention.self
        first = hidden_states[:, :1]

        def heads(values: torch.Tensor) -> torch.Tensor:
            shape = (*values.shape[:-1], attention.num_attention_heads, attention.attention_head_size)
            return values.view(shape).transpose(1, 2)

        mixed = functional.scaled_dot_product_attention(
            heads(attention.query(first)),
            heads(attention.key(hidden_states)),
            heads(attention.value(hidden_states)),
            attn_mask=None if attention_mask is None else attention_mask[:, :, :1],
            scale=attention.scaling,
        )
        joined = mixed.transpose(1, 2).reshape(first.shape)
        output: torch.Tensor = self.layer.feed_forward_chunk(self.layer.attention.output(joined, first))
        return output
