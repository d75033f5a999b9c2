"""Metrics of several labels per text, as scikit-learn gives them, on thousands of resamples at once.

Gold marks are 0 or 1, (rows, labels). Marks of answers are, for the F1 scores, the labels that are given, 0 or 1;
for `average_precision` the probabilities; both (rows, labels).
"""

import numpy as np
from numpy.typing import NDArray

from compress.judge.family import Floats, Marks, Weights, scored_left_out, sums_left_out


class LabelSets:
    """`micro_f1` and `macro_f1` are `f1_score(average=..., zero_division=0)`, `average_precision` the mean over labels.

    A label without any row, gold or given, counts as 0 in a mean over labels, as in scikit-learn; one that merely was
    not drawn in a resample is left out of that resample, which would else measure which labels were drawn.
    """

    names: tuple[str, ...] = ("micro_f1", "macro_f1", "average_precision")
    lowest = 0.0

    def scores(self, metric: str, gold: Marks, answers: Marks, weights: Weights) -> Floats:
        """See `Family.scores`."""
        drawn = np.asarray(weights, np.float64)
        if metric == "average_precision":
            return _average_precision(gold, answers, drawn)
        found = _f1(metric, drawn @ _counts(metric, gold, answers), _never(gold, answers))
        return np.where(drawn.sum(axis=1) > 0, found, np.nan)

    def left_out(self, metric: str, gold: Marks, answers: Marks, counts: Weights) -> Floats:
        """See `Family.left_out`."""
        if metric == "average_precision":
            return scored_left_out(lambda weights: _average_precision(gold, answers, weights), counts)
        sums = sums_left_out(_counts(metric, gold, answers), counts)
        return _f1(metric, sums, _never(gold, answers))


def _counts(metric: str, gold: Marks, answers: Marks) -> Floats:
    """Of each row hits, gold labels and given labels: (rows, 3), or label by label (rows, 3 labels)."""
    truth, given = np.asarray(gold, np.float64), np.asarray(answers, np.float64)
    if metric == "micro_f1":
        return np.stack([part.sum(axis=1) for part in (truth * given, truth, given)], axis=1)
    return np.concatenate([truth * given, truth, given], axis=1)


def _never(gold: Marks, answers: Marks) -> NDArray[np.bool_]:
    """Labels that are neither gold nor given in any row, (labels,)."""
    return np.asarray(~(np.asarray(gold, bool) | np.asarray(answers, bool)).any(axis=0))


def _f1(metric: str, sums: Floats, never: NDArray[np.bool_]) -> Floats:
    """F1 = 2 hits / (gold + given), of all labels together or the mean over labels."""
    if metric == "micro_f1":
        hits, truth, given = np.moveaxis(sums, -1, 0)
        return _ratio(2 * hits, truth + given)
    hits, truth, given = np.split(sums, 3, axis=-1)
    counted = (truth + given > 0) | never
    return _ratio(_ratio(2 * hits, truth + given).sum(axis=-1), counted.sum(axis=-1))


def _average_precision(gold: Marks, answers: Marks, weights: Floats) -> Floats:
    """The mean over labels of the sum over thresholds of (recall gained) times precision, (resamples,)."""
    total, counted = np.zeros(len(weights)), np.zeros(len(weights))
    for truth, values in zip(np.asarray(gold, np.float64).T, np.asarray(answers, np.float64).T, strict=True):
        order = np.argsort(-values, kind="stable")
        last = np.flatnonzero(np.diff(values[order], append=np.nan) != 0)  # of each run of equal values
        drawn = weights[:, order]
        hits = (drawn * truth[order]).cumsum(axis=1)[:, last]
        precision = _ratio(hits, drawn.cumsum(axis=1)[:, last])
        positives = hits[:, -1]
        gained = np.diff(hits, axis=1, prepend=0.0)
        total += _ratio((gained * precision).sum(axis=1), positives)
        counted += (positives > 0) | (truth.sum() == 0)
    return np.where(weights.sum(axis=1) > 0, _ratio(total, counted), np.nan)


def _ratio(numerator: Floats, denominator: Floats) -> Floats:
    """0 where the denominator is."""
    return np.divide(numerator, denominator, out=np.zeros_like(numerator), where=denominator > 0)
