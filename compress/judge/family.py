"""What a family of metrics offers, and the arithmetic that most share: sums over rows of numbers that each row has."""

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Marks = NDArray[np.generic]  # (rows, ...): what a metric takes of the labels, or of a model's answers
Weights = NDArray[np.number]

_CHUNK = 1 << 22  # numbers at a time


class Family(Protocol):
    """Metrics that take the same marks."""

    names: tuple[str, ...]
    lowest: float  # that a score can be; the highest is 1

    def scores(self, metric: str, gold: Marks, answers: Marks, weights: Weights) -> Floats:
        """The metric of every resample, (resamples,); `weights` (resamples, rows) says how often each row was drawn."""
        ...

    def left_out(self, metric: str, gold: Marks, answers: Marks, counts: Weights) -> Floats:
        """The metric with one draw of each row left out, a row at a time, (rows,); `counts` is (rows,)."""
        ...


def sums_left_out(statistics: Floats, counts: Weights) -> Floats:
    """The sums of `statistics` (rows, n) with one draw of each row left out, a row at a time: (rows, n)."""
    return np.asarray(counts @ statistics - statistics)


def scored_left_out(scores: Callable[[Floats], Floats], counts: Weights) -> Floats:
    """For what is no function of sums: every row left out in turn and scored anew; some rows at a time."""
    rows = len(counts)
    found = []
    step = max(1, _CHUNK // rows)
    for start in range(0, rows, step):
        places = np.arange(start, min(start + step, rows))
        weights = np.tile(np.asarray(counts, np.float64), (len(places), 1))
        weights[np.arange(len(places)), places] -= 1
        found.append(scores(weights))
    return np.concatenate(found)
