"""Two models on the same rows: how far apart they are, and whether that may be chance.

Paired throughout: a resample of rows scores both on the same rows, so what is hard for both cancels out.
Over several seeds and data sets the row is still the unit that is drawn: all seeds of a data set get the
same rows, since their models answer the same texts and share what is hard in them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom, binomtest

from compress.judge.bootstrap import _TAILS, RESAMPLES, Estimate
from compress.judge.metrics import Floats, Ids, Metric, bootstrap_scores, distinct_rows, score
from compress.judge.pooled import Draws, draw, estimate, label_count_of

_FLIPS = 10_000  # of the randomisation test
_TIE = 1e-12  # differences closer than this are the same


@dataclass(frozen=True, slots=True)
class McNemar:
    """Rows that one model alone answers rightly, and how likely such an imbalance is by chance."""

    only_ours: int
    only_theirs: int
    p_value: float  # exact, two-sided


class PairedRuns(NamedTuple):
    """Two ways of training on one data set: marks of labels (rows, ...), of answers (seeds, rows, ...), seed for seed.

    Of one label per text marks are label ids, (rows,) and (seeds, rows).
    """

    gold: Ids
    ours: Ids
    theirs: Ids


@dataclass(frozen=True, slots=True)
class PooledDifference:
    """A mean difference over seeds and data sets with two 95 % intervals, low then high."""

    value: float
    ci: tuple[float, float]  # of these trained models: the rows are drawn, the seeds are as they are
    ci_seeds: tuple[float, float] | None  # of the way of training: seeds drawn too; None with one seed

    @property
    def widest(self) -> tuple[float, float]:
        """The interval that covers everything that was drawn: rows, and seeds where there are several."""
        return self.ci if self.ci_seeds is None else self.ci_seeds


def paired_difference(
    metric: Metric,
    gold: Ids,
    ours: Ids,
    theirs: Ids,
    label_count: int,
    *,
    seed: int,
    resamples: int = RESAMPLES,
) -> Estimate:
    """Our score less theirs with its paired BCa interval; all three arrays have shape (rows,).

    Where every resample gives the same difference (the two answer alike, say), the interval is widened by
    Wilson's bound for an event that so many rows did not show, as in `score_interval`. Raises ValueError
    where there are no rows, the shapes differ or a label is out of range.
    """
    draws = draw(metric, gold, np.stack([ours, theirs]), label_count, seed, resamples)
    return estimate(metric, draws.combine(np.array([[1.0], [-1.0]])))


def mcnemar(gold: Ids, ours: Ids, theirs: Ids) -> McNemar:
    """McNemar's exact test of two models on the same rows; all three arrays have shape (rows,).

    Rows that both answer rightly or both wrongly say nothing; of the others, each is as likely to be ours
    as theirs where neither is better: a binomial with probability 1/2 (McNemar 1947, "Note on the sampling
    error of the difference between correlated proportions"; exact as in Dietterich 1998). Without such rows p is 1.
    """
    return mcnemar_of(ours == gold, theirs == gold)


def mcnemar_of(ours: NDArray[np.bool_], theirs: NDArray[np.bool_]) -> McNemar:
    """The same, where it is known which rows each answers rightly; both arrays are (rows,)."""
    only_ours, only_theirs = int((ours & ~theirs).sum()), int((theirs & ~ours).sum())
    apart = only_ours + only_theirs
    p_value = float(binomtest(only_ours, apart).pvalue) if apart else 1.0
    return McNemar(only_ours, only_theirs, p_value)


def pooled_difference(
    runs: Sequence[PairedRuns],
    *,
    seed: int,
    metric: Metric = "accuracy",
    resamples: int = RESAMPLES,
) -> PooledDifference:
    """Our score less theirs, the mean over seeds and then over data sets; one `PairedRuns` per data set.

    Every data set counts the same, however many rows it has. `ci` is BCa over rows, drawn within each data
    set, the same ones for all of its seeds; for accuracy that is the bootstrap of the mean over seeds of
    (ours right) - (theirs right), row by row. It speaks of these trained models.

    `ci_seeds` speaks of the way of training, so it draws the seeds too, within each data set and ours
    together with theirs: to each resample of rows it adds the mean deviation of as many seeds, drawn with
    replacement, from the mean over seeds. Such means show only (S - 1) / S of the variance between S seeds,
    so they are stretched by sqrt(S / (S - 1)). Percentiles, not BCa. The deviations contain noise of the
    rows a second time, which makes it rather too wide; two seeds are still very few to judge by.

    Raises ValueError without data sets, where shapes do not fit or where there are no rows.
    """
    if not runs:
        raise ValueError("there are no runs to compare")
    found = [_by_seed(metric, run, seed + place, resamples) for place, run in enumerate(map(_checked, runs))]
    means = [one.combine(np.full((len(one.values), 1), 1 / len(one.values))) for one in found]
    pooled = Draws(
        np.mean([one.values for one in means], axis=0),
        np.mean([one.replicates for one in means], axis=0),
        # Each centred on its own mean, as a row pulls within its data set; BCa asks for no scale.
        np.concatenate([one.jackknife - _mean_pull(one) for one in means]),
        np.concatenate([one.counts for one in means]),
    )
    whole = estimate(metric, pooled)
    if min(len(one.values) for one in found) < 2:
        return PooledDifference(whole.value, whole.ci, None)
    generator = np.random.default_rng([seed, len(runs)])
    noise = np.mean([_seed_noise(one.values, resamples, generator) for one in found], axis=0)
    low, high = np.quantile(pooled.replicates[:, 0] + noise, _TAILS)
    wide = (min(whole.ci[0], float(low)), max(whole.ci[1], float(high)))
    return PooledDifference(whole.value, whole.ci, wide)


def paired_p_value(metric: Metric, run: PairedRuns, *, seed: int, flips: int = _FLIPS) -> float:
    """How often chance gives a difference as large, where it is a toss-up per row who gave which answers.

    Under the null hypothesis the two may be swapped in any row (in all seeds of the row at once). For
    accuracy the chance is exact, and with one seed it is McNemar's exact test; for other metrics it is
    estimated from `flips` random swappings: the randomisation test of Noreen (1989; Yeh 2000, "More accurate
    tests for the statistical significance of result differences"), (1 + as large) / (1 + flips). Two-sided.
    The seeds are as they are: it speaks of these trained models.
    """
    gold, ours, theirs = _checked(run)
    if metric == "accuracy":
        return _sign_flip((ours == gold).sum(axis=0) - (theirs == gold).sum(axis=0))
    seeds = len(ours)
    label_count = label_count_of(gold, np.vstack([ours, theirs]))
    distinct, counts = distinct_rows(gold, *ours, *theirs)
    twice = np.concatenate([distinct[0], distinct[0]])
    generator = np.random.default_rng(seed)
    differences = []
    chunk = max(1, (1 << 20) // len(counts))
    for start in range(0, flips, chunk):
        swapped = generator.binomial(counts, 0.5, size=(min(chunk, flips - start), len(counts)))
        kept = counts - swapped
        chance = np.zeros(len(swapped))
        for mine, other in zip(distinct[1 : 1 + seeds], distinct[1 + seeds :], strict=True):
            answers = np.concatenate([mine, other])
            for sign, weights in ((1, (kept, swapped)), (-1, (swapped, kept))):
                chance += sign * bootstrap_scores(metric, twice, answers, label_count, np.hstack(weights))
        differences.append(chance / seeds)
    found = np.mean([score(metric, gold, one, label_count) for one in ours]) - np.mean(
        [score(metric, gold, one, label_count) for one in theirs]
    )
    as_large = int((np.abs(np.concatenate(differences)) >= abs(found) - _TIE).sum())
    return (1 + as_large) / (1 + flips)


def _by_seed(metric: Metric, run: PairedRuns, seed: int, resamples: int) -> Draws:
    """Ours less theirs on one data set, a column per seed."""
    answers = np.vstack([run.ours, run.theirs])
    draws = draw(metric, run.gold, answers, label_count_of(run.gold, answers), seed, resamples)
    identity = np.eye(len(run.ours))
    return draws.combine(np.vstack([identity, -identity]))


def _mean_pull(draws: Draws) -> Floats:
    return np.asarray(np.average(draws.jackknife, axis=0, weights=draws.counts))


def _seed_noise(values: Floats, resamples: int, generator: np.random.Generator) -> Floats:
    """What drawing the seeds of one data set adds to each resample, (resamples,); `values` is (seeds,)."""
    seeds = len(values)
    chosen = generator.integers(seeds, size=(resamples, seeds))
    deviations = values - values.mean()
    return np.asarray(sqrt(seeds / (seeds - 1)) * deviations[chosen].mean(axis=1))


def _sign_flip(differences: NDArray[np.integer]) -> float:
    """The exact two-sided chance that random signs give a sum as large; `differences` is (rows,).

    The chances of every sum at once: rows of magnitude m add m times a binomial, so it is a convolution of
    one binomial per magnitude.
    """
    magnitudes, counts = np.unique(np.abs(differences[differences != 0]), return_counts=True)
    chances = np.ones(1)  # of sum over magnitudes of m * (rows with sign +)
    for magnitude, count in zip(magnitudes.tolist(), counts.tolist(), strict=True):
        spaced = np.zeros(magnitude * count + 1)
        spaced[::magnitude] = binom.pmf(np.arange(count + 1), count, 0.5)
        chances = np.convolve(chances, spaced)
    sums = 2 * np.arange(len(chances)) - (len(chances) - 1)
    return min(1.0, float(chances[np.abs(sums) >= abs(int(differences.sum()))].sum()))


def _checked(run: PairedRuns) -> PairedRuns:
    gold, ours, theirs = (np.asarray(part) for part in run)
    fits = ours.ndim > 1 and ours.shape == theirs.shape and ours.shape[1] == len(gold) and len(ours)
    if not fits:
        raise ValueError(
            f"expected gold of shape (rows,) and two arrays of shape (seeds, rows), "
            f"got {gold.shape}, {ours.shape} and {theirs.shape}"
        )
    return PairedRuns(gold, ours, theirs)
