"""Thresholds for several labels per text, tuned on the rows that select.

For micro F1 the best threshold that all labels share comes first, then the best one of each label beside the others'
as they are, round and round (coordinate ascent; Fan and Lin 2007, "A study on threshold selection for multi-label
classification", tune F1 label by label so); for macro F1 each label alone. A label with few rows keeps the common
threshold: what is best on five rows is chance.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

FEWEST = 10  # rows with the label, below which it keeps the common threshold
_ROUNDS = 5
_COMMON = np.linspace(0.02, 0.98, 97)


def tune(metric: str, probabilities: Floats, labels: NDArray[np.generic]) -> Floats:
    """The threshold of each label, (labels,); both are (rows, labels), the labels 0 or 1."""
    truth = np.asarray(labels) > 0
    limits = np.full(truth.shape[1], _common(probabilities, truth))
    tunable = np.flatnonzero(truth.sum(axis=0) >= FEWEST)
    curves = {int(label): _Curve.of(probabilities[:, label], truth[:, label]) for label in tunable}
    if metric == "macro_f1":
        for label, curve in curves.items():
            limits[label] = curve.best(0, 0, 0)
        return limits
    for _ in range(_ROUNDS):
        before = limits.copy()
        for label, curve in curves.items():
            given = probabilities >= limits
            given[:, label] = False
            others = np.arange(truth.shape[1]) != label
            hits = int((given & truth)[:, others].sum())
            limits[label] = curve.best(hits, int(given.sum()), int(truth[:, others].sum()))
        if np.array_equal(before, limits):
            break
    return limits


def _common(probabilities: Floats, truth: NDArray[np.bool_]) -> float:
    """The threshold for all labels that gives the best micro F1, the nearest to 0.5 of equals."""
    found = []
    for limit in _COMMON:
        given = probabilities >= limit
        both = given.sum() + truth.sum()
        found.append(2 * (given & truth).sum() / both if both else 0.0)
    best = np.flatnonzero(np.isclose(found, max(found)))
    return float(_COMMON[best[np.abs(_COMMON[best] - 0.5).argmin()]])


def best_cut(margins: Floats, kept: Floats, given_up: Floats) -> float:
    """The threshold that gives the highest sum, where a row whose margin exceeds it counts `given_up`, else `kept`.

    All are (rows,). Half way between two margins; of equals the nearest to 0, which is one of them.
    """
    order = np.argsort(margins, kind="stable")
    gains = np.concatenate([[0.0], np.cumsum((kept - given_up)[order])])  # of the first rows kept
    limits = margins[order]
    between = (limits[:-1] + limits[1:]) / 2
    cuts = np.concatenate([[limits[0] - 1], between, [limits[-1] + 1]])
    apart = np.concatenate([[True], limits[:-1] < limits[1:], [True]])
    zero = int(np.searchsorted(limits, 0.0, side="right"))
    found = np.where(apart & np.isfinite(cuts), gains, -np.inf)
    best = np.flatnonzero(np.isclose(found, found.max()))
    if zero in best:
        return 0.0
    return float(cuts[best[np.abs(cuts[best]).argmin()]])


class _Curve:
    """What one label gives at each threshold between two of its probabilities."""

    def __init__(
        self, limits: Floats, hits: NDArray[np.int64], given: NDArray[np.int64], positives: int
    ) -> None:
        self._limits, self._hits, self._given, self._positives = limits, hits, given, positives

    @classmethod
    def of(cls, probabilities: Floats, truth: NDArray[np.bool_]) -> "_Curve":
        """From the highest threshold, at which the label is never given, to the lowest."""
        order = np.argsort(-probabilities, kind="stable")
        values = probabilities[order]
        ends = np.flatnonzero(np.diff(values, append=-1.0) != 0)  # of each run of equal values
        below = np.append(values[ends[:-1] + 1], 0.0)
        limits = np.append((1 + values[0]) / 2, (values[ends] + below) / 2)
        hits = np.append(0, truth[order].cumsum()[ends]).astype(np.int64)
        return cls(limits, hits, np.append(0, ends + 1).astype(np.int64), int(truth.sum()))

    def best(self, hits: int, given: int, positives: int) -> float:
        """The threshold that gives the best F1 together with other labels' counts."""
        total = self._given + given + self._positives + positives
        return float(self._limits[int((2 * (self._hits + hits) / np.maximum(total, 1)).argmax())])
