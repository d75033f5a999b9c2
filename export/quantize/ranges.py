"""The range of a tensor, from its values piece by piece: what is kept does not grow with what was seen."""

from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Method = Literal["minmax", "entropy", "percentile"]
Range = tuple[float, float]

_BINS = 2048
_LEVELS = 128  # of the distribution that a histogram is compared with
_STEP = 8  # bins between two thresholds that are tried
_SMALLEST = 1e-6


class Observer(Protocol):
    """Sees the values of one tensor and tells a range."""

    def see(self, values: NDArray[np.float32]) -> None:
        """Take values of any shape into account."""

    def range(self) -> Range:
        """Lowest and highest value to be told apart."""


def observer(method: Method, percentile: float) -> Observer:
    """A new observer; `percentile` (in percent, of the values kept) is read by that method alone."""
    if method == "minmax":
        return MinMax()
    return Histogram(None if method == "entropy" else percentile)


class MinMax:
    """The lowest and the highest value of all."""

    def __init__(self) -> None:
        self.low, self.high = 0.0, 0.0

    def see(self, values: NDArray[np.float32]) -> None:
        """Take values of any shape into account."""
        self.low = min(self.low, float(values.min(initial=0)))
        self.high = max(self.high, float(values.max(initial=0)))

    def range(self) -> Range:
        """Zero is always in it, as the quantised form needs."""
        return self.low, self.high


class Histogram(MinMax):
    """A range that leaves outliers out, from 2,048 bins around zero.

    Where a value lies beyond the bins, pairs of them are merged and the span is doubled: nothing seen before
    is forgotten, and the edges of the old bins are edges of the new ones.
    """

    def __init__(self, percentile: float | None) -> None:
        """Without a percentile, the range is the one of least entropy."""
        super().__init__()
        self.percentile = percentile
        self.limit = 0.0
        self.counts = np.zeros(_BINS, np.int64)

    def see(self, values: NDArray[np.float32]) -> None:
        """Take values of any shape into account."""
        super().see(values)
        most = max(-self.low, self.high, _SMALLEST)
        self.limit = self.limit or most
        while self.limit < most:
            merged = self.counts.reshape(-1, 2).sum(axis=1)
            self.counts = np.pad(merged, _BINS // 4)
            self.limit *= 2
        # numpy's own histogram sorts its bins' edges for every value: some ten times as long.
        place = np.add(values.ravel(), self.limit, dtype=np.float64) * (_BINS / (2 * self.limit))
        self.counts += np.bincount(np.minimum(place.astype(np.int32), _BINS - 1), minlength=_BINS)

    def range(self) -> Range:
        """Within the values that were seen."""
        low, high = self._least_entropy() if self.percentile is None else self._between(self.percentile)
        return max(low, self.low), min(high, self.high)

    def _between(self, percentile: float) -> Range:
        """The range that holds so many percent of the values, as much cut off on either side."""
        edges = np.linspace(-self.limit, self.limit, _BINS + 1)
        shares = np.cumsum(self.counts) / max(1, self.counts.sum())
        cut = (1 - percentile / 100) / 2
        left, right = np.searchsorted(shares, [cut, 1 - cut])
        return min(0.0, float(edges[left])), max(0.0, float(edges[min(right + 1, _BINS)]))

    def _least_entropy(self) -> Range:
        """The threshold that changes the distribution least (Migacz 2017, 8-bit inference with TensorRT).

        For each threshold the histogram with its outliers moved to the ends is held against the same one in 128
        levels; the smallest Kullback-Leibler divergence wins.
        """
        middle = _BINS // 2
        tried = range(_LEVELS // 2, middle + 1, _STEP)
        best = min(tried, key=self._divergence)
        threshold = self.limit * best / middle
        return -threshold, threshold

    def _divergence(self, half: int) -> float:
        middle = _BINS // 2
        kept = self.counts[middle - half : middle + half].astype(np.float64)
        clipped = kept.copy()
        clipped[0] += self.counts[: middle - half].sum()
        clipped[-1] += self.counts[middle + half :].sum()
        level = np.arange(2 * half) * _LEVELS // (2 * half)
        seen = kept > 0
        spread = np.bincount(level, kept, _LEVELS) / np.maximum(np.bincount(level, seen, _LEVELS), 1)
        coarse = np.where(seen, spread[level], 0.0)
        p, q = clipped / max(clipped.sum(), 1), coarse / max(coarse.sum(), 1)
        there = p > 0
        return float((p[there] * np.log(p[there] / np.maximum(q[there], 1e-9))).sum())
