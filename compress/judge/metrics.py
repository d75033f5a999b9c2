"""The task metrics of text classification, for one set of rows or for thousands of resamples at once.

scikit-learn is the definition of every value. What is ours is the speed: all three metrics follow from
three counts per label, so a bootstrap needs one matrix product instead of thousands of calls.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

Metric = Literal["accuracy", "macro_f1", "matthews"]
METRICS: tuple[Metric, ...] = get_args(Metric)

Ids = NDArray[np.integer]  # label numbers, 0 to label_count - 1
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Tallies:
    """Rows counted per label; each field has shape (..., labels), with one leading axis per resample."""

    support: Floats  # rows whose gold label is this one
    predicted: Floats  # rows that were answered with this one
    hits: Floats  # rows of which both are true


def score(metric: Metric, gold: Ids, predicted: Ids, label_count: int) -> float:
    """The metric over all rows, as scikit-learn gives it; `gold` and `predicted` have shape (rows,).

    `accuracy` is `accuracy_score`, `macro_f1` is `f1_score(average="macro", zero_division=0)`, `matthews`
    is `matthews_corrcoef`. Raises ValueError where there are no rows or a label is out of range.
    """
    return float(bootstrap_scores(metric, gold, predicted, label_count, np.ones((1, len(gold))))[0])


def bootstrap_scores(
    metric: Metric, gold: Ids, predicted: Ids, label_count: int, weights: NDArray[np.number]
) -> Floats:
    """The metric of every resample: (resamples,).

    `weights` has shape (resamples, rows): how many times each resample drew each row. Rows that are equal
    may be given once, with the sum of their weights, so a resample of 20,000 rows of a two-label task
    is four numbers.

    A label that is neither the gold label nor the answer of any row of a resample is left out of that
    resample's `macro_f1`, as scikit-learn does where `labels` is not given: with 151 labels and
    few rows, counting such labels as 0 would measure which labels were drawn, not the model.
    A resample without rows scores nan.
    """
    return scores(metric, tally(gold, predicted, label_count, weights))


def jackknife_scores(
    metric: Metric, gold: Ids, predicted: Ids, label_count: int, weights: NDArray[np.number]
) -> Floats:
    """The metric with one draw of each row left out, a row at a time: (rows,).

    `weights` has shape (rows,): how many times each row is there, at least once.
    """
    total = tally(gold, predicted, label_count, np.asarray(weights)[None])
    labels = np.arange(label_count)
    is_gold, is_answer = gold[:, None] == labels, predicted[:, None] == labels
    others = Tallies(total.support - is_gold, total.predicted - is_answer, total.hits - (is_gold & is_answer))
    return scores(metric, others)


def tally(gold: Ids, predicted: Ids, label_count: int, weights: NDArray[np.number]) -> Tallies:
    """The tallies of every resample, each (resamples, labels); `weights` has shape (resamples, rows).

    Raises ValueError where there are no rows, the shapes differ or a label is out of range.
    """
    if gold.ndim != 1 or gold.shape != predicted.shape:
        raise ValueError(f"expected two arrays of shape (rows,), got {gold.shape} and {predicted.shape}")
    if not len(gold):
        raise ValueError("there are no rows to score")
    least, most = min(gold.min(), predicted.min()), max(gold.max(), predicted.max())
    if least < 0 or most >= label_count:
        raise ValueError(f"labels run from {least} to {most}, expected 0 to {label_count - 1}")
    right = gold == predicted
    return Tallies(
        support=_sum_by_label(weights, gold, label_count),
        predicted=_sum_by_label(weights, predicted, label_count),
        hits=_sum_by_label(weights[:, right], gold[right], label_count),
    )


def _sum_by_label(weights: NDArray[np.number], labels: Ids, label_count: int) -> Floats:
    """Each label's sum of weights, (resamples, labels), in time that does not grow with the labels."""
    sums = np.zeros((len(weights), label_count))
    if len(labels):
        order = np.argsort(labels, kind="stable")
        present, starts = np.unique(labels[order], return_index=True)
        sums[:, present] = np.add.reduceat(weights[:, order], starts, axis=1)
    return sums


def scores(metric: Metric, tallies: Tallies) -> Floats:
    """The metric of each set of tallies: the leading axes of the tallies; nan where no row was counted."""
    with np.errstate(divide="ignore", invalid="ignore"):
        values = _FORMULAS[metric](tallies)
    return np.where(tallies.support.sum(axis=-1) > 0, values, np.nan)


def _accuracy(tallies: Tallies) -> Floats:
    return np.asarray(tallies.hits.sum(axis=-1) / tallies.support.sum(axis=-1))


def _macro_f1(tallies: Tallies) -> Floats:
    either = tallies.support + tallies.predicted  # F1 = 2 hits / (gold rows + answered rows)
    f1 = np.where(either > 0, 2 * tallies.hits / either, 0.0)
    return np.asarray(f1.sum(axis=-1) / (either > 0).sum(axis=-1))


def _matthews(tallies: Tallies) -> Floats:
    """The multi-class correlation of Gorodkin (2004); 0 where gold or answers have one label only."""
    rows = tallies.support.sum(axis=-1)
    covariance = tallies.hits.sum(axis=-1) * rows - (tallies.support * tallies.predicted).sum(axis=-1)
    gold_variance = rows**2 - (tallies.support**2).sum(axis=-1)
    answer_variance = rows**2 - (tallies.predicted**2).sum(axis=-1)
    spread = np.sqrt(gold_variance * answer_variance)
    return np.where(spread > 0, covariance / spread, 0.0)


_FORMULAS: dict[Metric, Callable[[Tallies], Floats]] = {
    "accuracy": _accuracy,
    "macro_f1": _macro_f1,
    "matthews": _matthews,
}
