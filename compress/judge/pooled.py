"""Scores of several models on the same resamples of the same rows; scores over several seeds.

The same bootstrap as `compress.judge.bootstrap`, for any number of models at once: every resample scores
all of them on the same rows.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from compress.judge.bootstrap import (
    _MAX_UNDEFINED,
    RESAMPLES,
    Estimate,
    _bca,
    _constant,
    _ratio,
    _resample,
    _unseen,
    retention_interval,
    score_interval,
)
from compress.judge.metrics import (
    Floats,
    Ids,
    Metric,
    bootstrap_scores,
    distinct_rows,
    jackknife_scores,
    lowest,
    score,
)

_DECIMALS = 12


def pooled_score(
    metric: Metric, gold: Ids, predicted: Ids, *, seed: int, resamples: int = RESAMPLES
) -> Estimate:
    """The mean score over seeds with its BCa interval; `gold` is (rows,), `predicted` (seeds, rows).

    With one seed `score_interval`. The rows are drawn, the same for all seeds; the models are as they are.
    """
    label_count = label_count_of(gold, predicted)
    if len(predicted) == 1:
        return score_interval(metric, gold, predicted[0], label_count, seed=seed, resamples=resamples)
    draws = draw(metric, gold, predicted, label_count, seed, resamples)
    pooled = estimate(metric, draws.combine(np.full((len(predicted), 1), 1 / len(predicted))))
    low, high = pooled.ci
    return Estimate(pooled.value, (max(low, lowest(metric)), min(high, 1.0)))


def pooled_retention(
    metric: Metric, gold: Ids, students: Ids, teacher: Ids, *, seed: int, resamples: int = RESAMPLES
) -> Estimate | None:
    """The students' mean score over the teacher's, paired; `students` is (seeds, rows), the others (rows,).

    With one seed `retention_interval`; None where that gives None, for the same reasons.
    """
    label_count = max(label_count_of(gold, students), label_count_of(gold, teacher[None]))
    if len(students) == 1:
        return retention_interval(
            metric, gold, students[0], teacher, label_count, seed=seed, resamples=resamples
        )
    draws = draw(metric, gold, np.vstack([students, teacher[None]]), label_count, seed, resamples)
    teacher_score = float(draws.values[-1])
    if teacher_score <= 0:
        return None
    value = float(draws.values[:-1].mean()) / teacher_score
    ratios = _ratio(draws.replicates[:, :-1].mean(axis=1), draws.replicates[:, -1])
    defined = ratios[np.isfinite(ratios)]
    if len(defined) < (1 - _MAX_UNDEFINED) * len(ratios):
        return None
    if _constant(defined):
        margin = _unseen(len(gold)) / teacher_score
        return Estimate(value, (value - margin, value + margin))
    jackknife = _ratio(draws.jackknife[:, :-1].mean(axis=1), draws.jackknife[:, -1])
    return Estimate(value, _bca(value, defined, jackknife, draws.counts))


@dataclass(frozen=True, slots=True)
class Draws:
    """Values on one set of rows and on its resamples; a column is a model, or a difference of models."""

    values: Floats  # (columns,)
    replicates: Floats  # (resamples, columns)
    jackknife: Floats  # (distinct, columns)
    counts: NDArray[np.int64]  # (distinct,)

    def combine(self, weights: Floats) -> "Draws":
        """Weighted sums of the columns; `weights` is (columns, new columns)."""
        # Rounded, as resamples equal to the value must tie with it: BCa counts ties.
        values, replicates, jackknife = (
            (part @ weights).round(_DECIMALS) for part in (self.values, self.replicates, self.jackknife)
        )
        return Draws(values, replicates, jackknife, self.counts)


def draw(metric: Metric, gold: Ids, answers: Ids, label_count: int, seed: int, resamples: int) -> Draws:
    """`answers` has shape (models, rows): all of them scored on the same draws, a column each."""
    values = np.array([score(metric, gold, one, label_count) for one in answers])
    if metric == "accuracy":
        # Right or wrong is all that counts: far fewer distinct rows.
        gold, answers, label_count = np.zeros_like(gold), (answers != gold).astype(np.int64), 2
    distinct, counts = distinct_rows(gold, *answers)
    replicates = [
        np.stack(
            [bootstrap_scores(metric, distinct[0], one, label_count, weights) for one in distinct[1:]], axis=1
        )
        for weights in _resample(counts, seed, resamples)
    ]
    left_out = [jackknife_scores(metric, distinct[0], one, label_count, counts) for one in distinct[1:]]
    return Draws(values, np.concatenate(replicates), np.stack(left_out, axis=1), counts)


def estimate(metric: Metric, draws: Draws) -> Estimate:
    """The one column with its BCa interval, or Wilson's margin where all resamples gave the same."""
    value, replicates = float(draws.values[0]), draws.replicates[:, 0]
    if not _constant(replicates):
        return Estimate(value, _bca(value, replicates, draws.jackknife[:, 0], draws.counts))
    widest = 1.0 - lowest(metric)
    margin = _unseen(int(draws.counts.sum()))
    return Estimate(value, (max(value - margin, -widest), min(value + margin, widest)))


def label_count_of(gold: Ids, answers: Ids) -> int:
    """Enough labels for all that occur; metrics leave out those that do not."""
    return int(max(gold.max(initial=0), answers.max(initial=0))) + 1
