"""Batches of texts of like length, in an order that follows from the seed and the epoch alone.

The sampler of transformers shuffles with the global generator, so an epoch that is resumed in its
middle would be another epoch: some rows seen twice, others not at all. And it makes lists of Python's
numbers, some hundred bytes a row, where this one has arrays.
"""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Sampler

from compress.training.rows import TrainingRows

MOST_BATCHES_AT_ONCE = 50  # that are sorted by length together


class SeededLengthSampler(Sampler[int]):
    """Row numbers such that each batch has rows of like length, in the order of transformers' own sampler."""

    def __init__(self, rows: TrainingRows, batch_size: int, seed: int) -> None:
        self._rows = rows
        self._lengths = np.asarray(rows.lengths)
        batches = min(len(rows) // (4 * batch_size), MOST_BATCHES_AT_ONCE)
        self._at_once = max(1, batches) * batch_size
        self._seed = seed
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Called by the training loop as each epoch begins."""
        self._epoch = epoch

    def __len__(self) -> int:
        return len(self._lengths)

    def __iter__(self) -> Iterator[int]:
        # Said here: accelerate tells samplers of the epoch in a resumed epoch too, data sets not.
        self._rows.begin_epoch(self._epoch)
        order = self._shuffled()
        longest = int(order[self._lengths[order].argmax()])
        first = self._sorted(order[: self._at_once])[0]
        for start in range(0, len(order), self._at_once):
            rows = self._sorted(order[start : start + self._at_once])
            # The longest row changes places with the first, so that what does not fit fails at once.
            if rows[0] == longest:
                rows[0] = first
            if start == 0:
                rows[0] = longest
            yield from rows

    def _shuffled(self) -> NDArray[np.int64]:
        generator = torch.Generator().manual_seed(self._seed + 1_000_003 * self._epoch)
        return np.asarray(torch.randperm(len(self), generator=generator))

    def _sorted(self, rows: NDArray[np.int64]) -> list[int]:
        """The longest first."""
        lengths = self._lengths[rows].astype(np.int64)
        longest_first: list[int] = rows[np.argsort(-lengths, kind="stable")].tolist()
        return longest_first
