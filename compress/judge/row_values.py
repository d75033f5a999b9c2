"""Metrics that are the mean of a value of each row, which the answers' marks are: (rows,)."""

import numpy as np

from compress.judge.answer_texts import EXACT_MATCH, F1
from compress.judge.family import Floats, Marks, Weights, sums_left_out


class RowValues:
    """`f1` and `exact_match` of extractive question answering, from 0 to 1; gold marks are not looked at."""

    names: tuple[str, ...] = (F1, EXACT_MATCH)
    lowest = 0.0

    def scores(self, metric: str, gold: Marks, answers: Marks, weights: Weights) -> Floats:  # noqa: ARG002
        """See `Family.scores`."""
        return _mean(np.asarray(weights, np.float64) @ _counted(answers))

    def left_out(self, metric: str, gold: Marks, answers: Marks, counts: Weights) -> Floats:  # noqa: ARG002
        """See `Family.left_out`."""
        return _mean(sums_left_out(_counted(answers), counts))


def _counted(marks: Marks) -> Floats:
    """Each row's value, and 1: (rows, 2)."""
    values = np.asarray(marks, np.float64)
    return np.stack([values, np.ones_like(values)], axis=1)


def _mean(sums: Floats) -> Floats:
    """NaN where no row was drawn."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(sums[..., 0] / sums[..., 1])
