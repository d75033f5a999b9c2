"""The order in which rows are taken: transformers' own, again in every process, and without lists of numbers."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import torch
from transformers.trainer_pt_utils import get_length_grouped_indices

from compress.training.lesson import Batch
from compress.training.sampling import SeededLengthSampler


@dataclass
class Lengths:
    """Rows of which nothing is known but how long they are; notes the epochs that it is told."""

    lengths: list[int]
    epochs: list[int] = field(default_factory=list)

    @property
    def token_ids(self) -> None:
        return None

    def begin_epoch(self, epoch: int) -> None:
        self.epochs.append(epoch)

    def collate(self, examples: Sequence[dict[str, Any]]) -> Batch:
        raise NotImplementedError

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, index: int) -> dict[str, Any]:
        raise NotImplementedError


@pytest.mark.parametrize("rows", [1, 7, 33, 1000])
@pytest.mark.parametrize("epoch", [0, 3])
def test_the_order_is_that_of_transformers(rows: int, epoch: int) -> None:
    lengths = np.random.default_rng(rows).integers(1, 40, rows).tolist()  # many are equal
    told = Lengths(lengths)
    sampler = SeededLengthSampler(told, 4, seed=5)
    sampler.set_epoch(epoch)
    generator = torch.Generator().manual_seed(5 + 1_000_003 * epoch)
    assert list(sampler) == get_length_grouped_indices(lengths, 4, generator=generator)
    assert len(sampler) == rows
    assert told.epochs == [epoch]
