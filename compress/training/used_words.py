"""While training, the embedding table holds only the words that the texts hold.

The gradient of an embedding table is as large as the table, and clipping and AdamW go over all of it at every step:
for 30,522 words of 384 numbers that is half a gigabyte of memory traffic, more than the layers of a small student
cost. A word that stands in no text has no gradient, so nothing is learned about it. With its row left out, the
other rows become what they would have become; only weight decay no longer shrinks it (by lr x decay at a step,
under one per cent in a whole training).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from compress.training.lesson import Lesson

WORTH_IT = 0.9  # above this share of words in use there is little to gain

TokenIds = NDArray[np.int64]


@contextmanager
def only_used_words(lesson: Lesson, token_ids: TokenIds | None) -> Iterator[bool]:
    """Whether the student's table is cut down inside; afterwards it has all of its rows again.

    `token_ids` are those that its batches can hold, padding included, in any order; None where that is not
    known beforehand (masked language modelling draws words). Another id raises IndexError inside. A table that
    is shared with a head or kept frozen is left alone.
    """
    words = _own_table(lesson)
    if token_ids is None or words is None:
        yield False
        return
    whole, padding = words.weight, words.padding_idx
    used = np.union1d(token_ids, [] if padding is None else [padding]).astype(np.int64)
    if len(used) > WORTH_IT * len(whole):
        yield False
        return
    kept = torch.from_numpy(used).to(whole.device)
    # The module stays the same one, because others have hooks on it.
    place = torch.full((len(whole),), -1, dtype=torch.long, device=whole.device)
    place[kept] = torch.arange(len(kept), device=whole.device)
    words.weight = nn.Parameter(whole.detach()[kept])
    words.num_embeddings = len(kept)
    words.padding_idx = None if padding is None else int(place[padding])
    hook = words.register_forward_pre_hook(_Places(place))
    try:
        yield True
    finally:
        hook.remove()
        with torch.no_grad():
            trained = words.weight
            whole.data = whole.data.to(trained.device)  # the model may have been moved meanwhile
            whole[kept.to(trained.device)] = trained
        words.weight, words.num_embeddings, words.padding_idx = whole, len(whole), padding


class _Places:
    """Gives an embedding the places of the rows that token ids have in the cut table."""

    def __init__(self, place: torch.Tensor) -> None:
        self._place = place

    def __call__(self, _: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        ids, *rest = inputs
        self._place = self._place.to(ids.device)
        return (self._place[ids], *rest)


def _own_table(lesson: Lesson) -> nn.Embedding | None:
    """The student's words, where they are trained, row by row, for nobody else."""
    words = lesson.student.get_input_embeddings()
    if type(words) is not nn.Embedding or not words.weight.requires_grad:
        return None
    if words.max_norm is not None or words.scale_grad_by_freq or words.sparse:
        return None
    users = [one for _, one in lesson.named_parameters(remove_duplicate=False) if one is words.weight]
    return words if len(users) == 1 else None
