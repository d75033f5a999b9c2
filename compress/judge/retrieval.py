"""Retrieval: each text looks for its own partner among the partners of all rows, the nearest first.

The answers' marks are ranks from 1, (rows,), NaN in rows that ask nothing; every metric is a mean over rows that ask.
The partners that are looked among stay as they are; what a resample draws is who asks.
"""

import numpy as np
from numpy.typing import NDArray

from compress.judge.family import Floats, Marks, Weights, sums_left_out

_CUTS = {"recall_at_1": 1, "recall_at_10": 10}
_SAME = 1e-6  # of two cosines: the same text beside other texts of a batch differs by rounding
_CHUNK = 512  # rows that ask at a time


class Retrieval:
    """`recall_at_1` and `recall_at_10`: the share of rows whose partner is that near; `mrr`: the mean of 1 / rank."""

    names: tuple[str, ...] = (*_CUTS, "mrr")
    lowest = 0.0

    def scores(self, metric: str, gold: Marks, answers: Marks, weights: Weights) -> Floats:  # noqa: ARG002
        """See `Family.scores`."""
        return _mean(np.asarray(weights, np.float64) @ _gains(metric, answers))

    def left_out(self, metric: str, gold: Marks, answers: Marks, counts: Weights) -> Floats:  # noqa: ARG002
        """See `Family.left_out`."""
        return _mean(sums_left_out(_gains(metric, answers), counts))


def ranks(queries: Floats, partners: Floats, asks: NDArray[np.bool_]) -> Floats:
    """Where each row's partner stands among all, from 1, (rows,); NaN where `asks` is False.

    Both are unit vectors (rows, width). Partners as near as one's own do not stand before it, so that the same text in
    another row is no fault.
    """
    found = np.full(len(queries), np.nan)
    for start in range(0, len(queries), _CHUNK):
        near = queries[start : start + _CHUNK] @ partners.T
        places = np.arange(len(near))
        own = near[places, start + places]
        found[start : start + _CHUNK] = 1 + (near > own[:, None] + _SAME).sum(axis=1)
    return np.where(asks, found, np.nan)


def _gains(metric: str, marks: Marks) -> Floats:
    """Of each row what it adds to the sum, and whether it asks: (rows, 2)."""
    rank = np.asarray(marks, np.float64)
    asks = ~np.isnan(rank)
    with np.errstate(invalid="ignore"):
        gain = (rank <= _CUTS[metric]).astype(np.float64) if metric in _CUTS else 1 / rank
    return np.stack([np.where(asks, gain, 0.0), asks.astype(np.float64)], axis=1)


def _mean(sums: Floats) -> Floats:
    """NaN where nobody asks."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(sums[..., 0] / sums[..., 1])
