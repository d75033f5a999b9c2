"""The padding mask in four operators where transformers takes twenty.

Its own is made for every kind of attention: it builds index grids and gathers the padding by them. An encoder that
looks both ways needs nothing but the padding itself, the same for every query.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from transformers.masking_utils import (
    ALL_MASK_ATTENTION_FUNCTIONS,
    bidirectional_mask_function,
    sdpa_mask,
)


@contextmanager
def plain_padding_mask() -> Iterator[None]:
    """Within it, models with sdpa attention that look both ways take the padding alone."""
    ALL_MASK_ATTENTION_FUNCTIONS["sdpa"] = _mask
    try:
        yield
    finally:
        del ALL_MASK_ATTENTION_FUNCTIONS["sdpa"]


def _mask(
    batch_size: int,
    q_length: int,
    kv_length: int,
    mask_function: Any = None,
    attention_mask: torch.Tensor | None = None,
    **others: Any,
) -> torch.Tensor | None:
    """Which keys each query sees: booleans of shape (batch, 1, queries, keys), as `sdpa_mask` gives them."""
    if (
        mask_function is bidirectional_mask_function
        and attention_mask is not None
        and attention_mask.ndim == 2
    ):
        return attention_mask.bool()[:, None, None, :].expand(-1, -1, q_length, -1)
    found: torch.Tensor | None = sdpa_mask(
        batch_size, q_length, kv_length, mask_function=mask_function, attention_mask=attention_mask, **others
    )
    return found
