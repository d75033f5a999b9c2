"""Batches of texts of like length, in an order that follows from the seed and the epoch alone.

The sampler of transformers shuffles with the global generator, so an epoch that is resumed in its
middle would be another epoch: some rows seen twice, others not at all.
"""

from collections.abc import Iterator

import torch
from transformers.trainer_pt_utils import LengthGroupedSampler, get_length_grouped_indices


class SeededLengthSampler(LengthGroupedSampler):
    """Row numbers such that each batch has rows of like length."""

    def __init__(self, batch_size: int, lengths: list[int], seed: int) -> None:
        super().__init__(batch_size, lengths=lengths)
        self._seed = seed
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Called by the training loop as each epoch begins."""
        self._epoch = epoch

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(self._seed + 1_000_003 * self._epoch)
        return iter(get_length_grouped_indices(self.lengths, self.batch_size, generator=generator))
