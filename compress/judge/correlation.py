"""Pearson's and Spearman's correlation of answers with labels, as scipy gives them, on thousands of resamples at once.

Both marks are numbers, (rows,). A constant on either side shows no correlation: 0, where scipy gives nan.
"""

import numpy as np

from compress.judge.family import Floats, Marks, Weights, scored_left_out, sums_left_out

_FLAT = 1e-12  # variance of standardised numbers under which they are constant


class Correlations:
    """`pearson` is `scipy.stats.pearsonr`, `spearman` is `scipy.stats.spearmanr`: ranks are those of the resample."""

    names: tuple[str, ...] = ("pearson", "spearman")
    lowest = -1.0

    def scores(self, metric: str, gold: Marks, answers: Marks, weights: Weights) -> Floats:
        """See `Family.scores`."""
        drawn = np.asarray(weights, np.float64)
        if metric == "pearson":
            return _pearson(drawn @ _moments(gold, answers))
        return _of_ranks(gold, answers, drawn)

    def left_out(self, metric: str, gold: Marks, answers: Marks, counts: Weights) -> Floats:
        """See `Family.left_out`."""
        if metric == "pearson":
            return _pearson(sums_left_out(_moments(gold, answers), counts))
        return scored_left_out(lambda weights: _of_ranks(gold, answers, weights), counts)


def _moments(gold: Marks, answers: Marks) -> Floats:
    """Of each row 1, x, y, x squared, y squared and xy, of standardised numbers: sums lose nothing. (rows, 6)."""
    x, y = _standardised(gold), _standardised(answers)
    return np.stack([np.ones_like(x), x, y, x**2, y**2, x * y], axis=1)


def _pearson(sums: Floats) -> Floats:
    """From the sums of `_moments`, (..., 6)."""
    rows, x, y, xx, yy, xy = np.moveaxis(sums, -1, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        x_variance, y_variance = xx / rows - (x / rows) ** 2, yy / rows - (y / rows) ** 2
        found = (xy / rows - x * y / rows**2) / np.sqrt(x_variance * y_variance)
    varied = (x_variance > _FLAT) & (y_variance > _FLAT)
    return np.where(rows > 0, np.where(varied, np.clip(found, -1, 1), 0.0), np.nan)


def _of_ranks(gold: Marks, answers: Marks, weights: Floats) -> Floats:
    """Pearson's correlation of the ranks that rows have among those drawn, each as often as it was: (resamples,)."""
    x, y = _ranks(gold, weights), _ranks(answers, weights)
    rows = weights.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        middle = ((rows + 1) / 2)[:, None]
        x, y = (x - middle) / rows[:, None], (y - middle) / rows[:, None]
    sums = [rows, *((weights * part).sum(axis=1) for part in (x, y, x**2, y**2, x * y))]
    return _pearson(np.stack(sums, axis=-1))


def _ranks(values: Marks, weights: Floats) -> Floats:
    """Ranks from 1, equal values sharing the mean of theirs: (resamples, rows)."""
    _, place = np.unique(values, return_inverse=True)
    order = np.argsort(place, kind="stable")
    starts = np.flatnonzero(np.diff(place[order], prepend=-1))
    drawn = np.add.reduceat(weights[:, order], starts, axis=1)
    return np.asarray((drawn.cumsum(axis=1) - drawn + (drawn + 1) / 2)[:, place])


def _standardised(values: Marks) -> Floats:
    numbers = np.asarray(values, np.float64)
    spread = numbers.std()
    return np.asarray((numbers - numbers.mean()) / (spread if spread > 0 else 1.0))
