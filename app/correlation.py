"""How far two rows of numbers go together."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Numbers = Sequence[float] | NDArray[np.float64]


def pearson(one: Numbers, other: Numbers) -> float | None:
    """Pearson's correlation, -1 to 1; None of fewer than two numbers, and where all of one are the same."""
    if len(one) < 2 or np.ptp(one) == 0 or np.ptp(other) == 0:
        return None
    return float(np.corrcoef(one, other)[0, 1])


def spearman(one: Numbers, other: Numbers) -> float | None:
    """Spearman's: Pearson's of the ranks."""
    return pearson(_ranks(one), _ranks(other)) if len(one) else None


def _ranks(values: Numbers) -> NDArray[np.float64]:
    """From 1; equal numbers share the mean of their ranks."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - (counts - 1) / 2)[place])
