"""The metrics of every task, for one set of rows or for thousands of resamples at once.

Here are those of one label per text; further families stand beside it (`correlation.py`, `label_sets.py`) and in
`FAMILIES`. scikit-learn and scipy are the definition of every value. What is ours is the speed: the metrics
here follow from three counts per label, so a bootstrap needs one matrix product instead of thousands of calls.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compress.judge.correlation import Correlations
from compress.judge.entities import EntityScores
from compress.judge.family import Family
from compress.judge.label_sets import LabelSets
from compress.judge.retrieval import Retrieval
from compress.judge.row_values import RowValues

Metric = str
METRICS: tuple[Metric, ...] = ("accuracy", "macro_f1", "binary_f1", "matthews")  # of one label per text
BINARY, SECOND = "binary_f1", 1  # the label that a metric of two labels is about: scikit-learn's `pos_label`
FAMILIES: tuple[Family, ...] = (  # of other tasks
    Correlations(),
    LabelSets(),
    EntityScores(),
    Retrieval(),
    RowValues(),
)

# What a metric takes of labels or answers: label numbers (rows,), 0 to label_count - 1; of other families what
# they say, (rows, ...).
Ids = NDArray[Any]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Tallies:
    """Rows counted per label; each field has shape (..., labels), with one leading axis per resample."""

    support: Floats  # rows whose gold label is this one
    predicted: Floats  # rows that were answered with this one
    hits: Floats  # rows of which both are true


def score(metric: Metric, gold: Ids, predicted: Ids, label_count: int) -> float:
    """The metric over all rows, as scikit-learn gives it; `gold` and `predicted` have shape (rows,).

    `accuracy` is `accuracy_score`, `macro_f1` is `f1_score(average="macro", zero_division=0)`, `binary_f1` the F1 of
    the second of two labels, `f1_score(zero_division=0)`, and `matthews` is `matthews_corrcoef`. Raises ValueError
    where there are no rows or a label is out of range.
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
    if (family := family_of(metric, gold)) is not None:
        _check(gold, predicted)
        return family.scores(metric, gold, predicted, weights)
    return scores(metric, tally(gold, predicted, label_count, weights))


def family_of(metric: Metric, gold: Ids) -> Family | None:
    """The family that scores it; None for one label per text. `macro_f1` is of label sets where `gold` is one."""
    if metric in METRICS and gold.ndim == 1:
        return None
    return next((family for family in FAMILIES if metric in family.names), None)


def lowest(metric: Metric) -> float:
    """That a score can be."""
    found = next((family.lowest for family in FAMILIES if metric in family.names), 0.0)
    return -1.0 if metric == "matthews" else found


def distinct_rows(*columns: Ids) -> tuple[list[Ids], NDArray[np.int64]]:
    """The distinct rows, a column each, and how often each is there, (distinct,).

    Only label numbers are worth the search: of other marks every row counts as distinct.
    """
    if any(column.ndim > 1 or not np.issubdtype(column.dtype, np.integer) for column in columns):
        return list(columns), np.ones(len(columns[0]), np.int64)
    rows, counts = np.unique(np.stack(columns).astype(np.int64), axis=1, return_counts=True)
    return list(rows), counts


def _check(gold: Ids, predicted: Ids) -> None:
    if len(gold) != len(predicted):
        raise ValueError(f"expected marks of the same rows, got {gold.shape} and {predicted.shape}")
    if not len(gold):
        raise ValueError("there are no rows to score")


def jackknife_scores(
    metric: Metric, gold: Ids, predicted: Ids, label_count: int, weights: NDArray[np.number]
) -> Floats:
    """The metric with one draw of each row left out, a row at a time: (rows,).

    `weights` has shape (rows,): how many times each row is there, at least once.
    """
    if (family := family_of(metric, gold)) is not None:
        return family.left_out(metric, gold, predicted, weights)
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


def _binary_f1(tallies: Tallies) -> Floats:
    either = (tallies.support + tallies.predicted)[..., SECOND]
    return np.where(either > 0, 2 * tallies.hits[..., SECOND] / either, 0.0)


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
    "binary_f1": _binary_f1,
    "matthews": _matthews,
}
