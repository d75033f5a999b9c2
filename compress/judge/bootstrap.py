"""95 % intervals: of a score, of a student's score over its teacher's, of a share of rows.

Scores and ratios are bootstrapped with the BCa interval (Efron 1987, "Better bootstrap confidence
intervals"; the same arithmetic as `scipy.stats.bootstrap(method="BCa")`). A bootstrap resample of rows is a
multinomial draw over the *distinct* rows, so time and memory follow the number of distinct combinations of
gold label and answers, not the number of rows.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

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

RESAMPLES = 5_000
_CHUNK = 1 << 20  # numbers drawn at a time: 8 MB
_NORMAL = NormalDist()
_TAILS = (0.025, 0.975)
_Z = _NORMAL.inv_cdf(_TAILS[1])
_MAX_UNDEFINED = 0.01  # share of resamples without a ratio, above which there is no honest interval


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with its 95 % interval, low then high."""

    value: float
    ci: tuple[float, float]


def score_interval(
    metric: Metric,
    gold: Ids,
    predicted: Ids,
    label_count: int,
    *,
    seed: int,
    resamples: int = RESAMPLES,
) -> Estimate:
    """The score over all rows with its BCa interval; `gold` and `predicted` have shape (rows,).

    Where every resample scores the same (all rows right, say), a bootstrap would claim certainty; the
    interval is then the score plus and minus Wilson's bound for an event that n rows did not
    show, z^2 / (n + z^2). For an accuracy of 1 that is Wilson's interval.
    """
    value = score(metric, gold, predicted, label_count)
    distinct, counts = distinct_rows(gold, predicted)
    replicates = np.concatenate(
        [
            bootstrap_scores(metric, distinct[0], distinct[1], label_count, weights)
            for weights in _resample(counts, seed, resamples)
        ]
    )
    if _constant(replicates):
        low, high = _around(value, _unseen(len(gold)))
        return Estimate(value, (max(low, lowest(metric)), min(high, 1.0)))
    jackknife = jackknife_scores(metric, distinct[0], distinct[1], label_count, counts)
    return Estimate(value, _bca(value, replicates, jackknife, counts))


def retention_interval(
    metric: Metric,
    gold: Ids,
    student: Ids,
    teacher: Ids,
    label_count: int,
    *,
    seed: int,
    resamples: int = RESAMPLES,
) -> Estimate | None:
    """Student's score over teacher's with its paired BCa interval; all three arrays have shape (rows,).

    Paired: each resample scores both on the same rows, so what is hard for both cancels out.
    None where the ratio means nothing: the teacher scores 0 or less, on all rows or in more than 1 % of
    the resamples. Where every resample gives the same ratio, the interval is widened as in
    `score_interval`, over the teacher's score.
    """
    teacher_score = score(metric, gold, teacher, label_count)
    if teacher_score <= 0:
        return None
    value = score(metric, gold, student, label_count) / teacher_score
    distinct, counts = distinct_rows(gold, student, teacher)
    ratios = np.concatenate(
        [
            _ratio(
                bootstrap_scores(metric, distinct[0], distinct[1], label_count, weights),
                bootstrap_scores(metric, distinct[0], distinct[2], label_count, weights),
            )
            for weights in _resample(counts, seed, resamples)
        ]
    )
    defined = ratios[np.isfinite(ratios)]
    if len(defined) < (1 - _MAX_UNDEFINED) * len(ratios):
        return None
    if _constant(defined):
        return Estimate(value, _around(value, _unseen(len(gold)) / teacher_score))
    jackknife = _ratio(
        jackknife_scores(metric, distinct[0], distinct[1], label_count, counts),
        jackknife_scores(metric, distinct[0], distinct[2], label_count, counts),
    )
    return Estimate(value, _bca(value, defined, jackknife, counts))


def share_interval(hits: int, rows: int) -> Estimate:
    """The share `hits / rows` with Wilson's score interval (Wilson 1927).

    Kept inside 0 to 1 and never of zero width, also where all rows or none are hits. Raises ValueError
    without rows.
    """
    if not 0 <= hits <= rows or not rows:
        raise ValueError(f"expected 0 <= hits <= rows and at least one row, got {hits} of {rows}")
    share = hits / rows
    middle = (share + _Z**2 / (2 * rows)) / (1 + _Z**2 / rows)
    half = _Z / (1 + _Z**2 / rows) * sqrt(share * (1 - share) / rows + _Z**2 / (4 * rows**2))
    return Estimate(share, (min(max(0.0, middle - half), share), max(min(1.0, middle + half), share)))


def _resample(counts: NDArray[np.int64], seed: int, resamples: int) -> Iterator[NDArray[np.int64]]:
    """Chunks of (some resamples, distinct): how often each resample drew each distinct row."""
    random = np.random.default_rng(seed)
    rows = int(counts.sum())
    chunk = max(1, _CHUNK // len(counts))
    for start in range(0, resamples, chunk):
        yield random.multinomial(rows, counts / rows, size=min(chunk, resamples - start))


def _ratio(student: Floats, teacher: Floats) -> Floats:
    """Student over teacher, nan where the teacher's score is not positive."""
    return np.divide(student, teacher, out=np.full_like(student, np.nan), where=teacher > 0)


def _constant(replicates: Floats) -> bool:
    return bool(np.ptp(replicates) < 1e-12)


def _unseen(rows: int) -> float:
    """Wilson's upper bound of the share of rows of a kind that was not seen in so many rows."""
    return _Z**2 / (rows + _Z**2)


def _around(value: float, margin: float) -> tuple[float, float]:
    return value - margin, value + margin


def _bca(
    value: float, replicates: Floats, jackknife: Floats, counts: NDArray[np.int64]
) -> tuple[float, float]:
    """The bias-corrected and accelerated interval; `jackknife` and `counts` are (distinct,).

    Falls back to the plain percentiles where the value lies outside all replicates (the
    bias is then infinite), and to no acceleration where a left-out row leaves nothing to score.
    """
    below = ((replicates < value).mean() + (replicates <= value).mean()) / 2  # ties count half
    if not 0 < below < 1:
        low, high = np.quantile(replicates, _TAILS)
        return float(low), float(high)
    bias = _NORMAL.inv_cdf(float(below))
    acceleration = 0.0
    if np.isfinite(jackknife).all():
        pull = np.average(jackknife, weights=counts) - jackknife
        spread = float((counts * pull**2).sum())
        acceleration = float((counts * pull**3).sum()) / (6 * spread**1.5) if spread > 0 else 0.0
    shifted = [bias + _NORMAL.inv_cdf(tail) for tail in _TAILS]
    tails = [_NORMAL.cdf(bias + shift / (1 - acceleration * shift)) for shift in shifted]
    low, high = np.quantile(replicates, tails)
    return float(low), float(high)
