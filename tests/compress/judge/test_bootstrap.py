import tracemalloc
import warnings
from typing import Literal

import numpy as np
import pytest
from numpy.typing import NDArray
from plain_f1 import hold_against_scikit_learn, macro_f1
from scipy import stats
from sklearn.metrics import accuracy_score

from compress.judge.bootstrap import _bca, retention_interval, score_interval, share_interval
from compress.judge.metrics import Ids

Simulated = tuple[Ids, Ids, Ids]  # gold, student, teacher


def simulate(rows: int, seed: int, labels: int = 3) -> Simulated:
    """A teacher that is right on 0.9 of the rows, a student on 0.85: right together on 0.82."""
    random = np.random.default_rng(seed)
    gold = random.integers(labels, size=rows)
    wrong = (gold + random.integers(1, labels, size=rows)) % labels
    kind = random.choice(4, p=[0.82, 0.08, 0.03, 0.07], size=rows)
    teacher = np.where((kind == 0) | (kind == 1), gold, wrong)
    student = np.where((kind == 0) | (kind == 2), gold, wrong)
    return gold, student, teacher


def test_score_interval_is_scipys() -> None:
    gold, student, _ = simulate(150, seed=3)
    ours = score_interval("macro_f1", gold, student, 3, seed=0, resamples=10_000)

    hold_against_scikit_learn(gold, student)

    def of_rows(rows: Ids) -> float:
        return macro_f1(gold[rows], student[rows])

    theirs = stats.bootstrap((np.arange(150),), of_rows, vectorized=False, n_resamples=1_500, rng=1)
    assert ours.value == pytest.approx(macro_f1(gold, student))
    assert ours.ci == pytest.approx(tuple(theirs.confidence_interval), abs=0.01)


def test_retention_interval_is_scipys_over_pairs() -> None:
    gold, student, teacher = simulate(300, seed=5)
    ours = retention_interval("accuracy", gold, student, teacher, 3, seed=0, resamples=20_000)
    right = (student == gold).astype(float), (teacher == gold).astype(float)
    theirs = stats.bootstrap(
        right,
        lambda student, teacher, axis: student.mean(axis=axis) / teacher.mean(axis=axis),
        paired=True,
        n_resamples=20_000,
        rng=1,
    )
    assert ours is not None
    assert ours.value == pytest.approx(accuracy_score(gold, student) / accuracy_score(gold, teacher))
    assert ours.ci == pytest.approx(tuple(theirs.confidence_interval), abs=0.004)


def test_a_skewed_statistic_gets_scipys_correction() -> None:
    """A rare label skews the correlation: the plain percentiles are far from BCa here."""
    gold = np.array([1] * 8 + [0] * 52)
    predicted = np.array([1] * 5 + [0] * 3 + [1] * 2 + [0] * 50)

    def correlation(gold: Ids, predicted: Ids, axis: int) -> NDArray[np.float64]:
        covariance = (gold * predicted).mean(axis=axis) - gold.mean(axis=axis) * predicted.mean(axis=axis)
        spread = gold.std(axis=axis) * predicted.std(axis=axis)
        values = np.divide(covariance, spread, out=np.zeros_like(covariance), where=spread > 0)
        return values.round(10)  # equal resamples must tie, as ties count in the bias

    def scipys(method: Literal["BCa", "percentile"]) -> tuple[float, float]:
        done = stats.bootstrap(
            (gold, predicted), correlation, paired=True, n_resamples=20_000, method=method, rng=1
        )
        return float(done.confidence_interval.low), float(done.confidence_interval.high)

    ours = score_interval("matthews", gold, predicted, 2, seed=0, resamples=20_000)
    assert ours.ci == pytest.approx(scipys("BCa"), abs=0.02)
    assert scipys("percentile")[0] - ours.ci[0] > 0.03


def test_the_same_resamples_give_scipys_interval_to_the_digit() -> None:
    """Bias and acceleration both count here: without either, an end moves by more than a thousandth."""
    rows = np.random.default_rng(4).exponential(size=40) ** 2
    scipys = stats.bootstrap((rows,), np.mean, n_resamples=5_000, method="BCa", rng=1)
    left_out = (rows.sum() - rows) / (len(rows) - 1)
    ours = _bca(float(rows.mean()), scipys.bootstrap_distribution, left_out, np.ones(len(rows), np.int64))
    assert ours == pytest.approx(tuple(scipys.confidence_interval), abs=1e-9)
    plain = np.quantile(scipys.bootstrap_distribution, (0.025, 0.975))
    assert np.abs(plain - ours).min() > 0.01


def test_the_retention_interval_covers_the_true_ratio() -> None:
    covered = 0
    for seed in range(300):
        gold, student, teacher = simulate(400, seed)
        retention = retention_interval("accuracy", gold, student, teacher, 3, seed=seed, resamples=1_000)
        assert retention is not None
        covered += retention.ci[0] <= 0.85 / 0.9 <= retention.ci[1]
    assert 0.90 <= covered / 300 <= 0.99


def test_pairing_makes_the_interval_narrower() -> None:
    """Planted fault: scoring the two on different rows, as if they were strangers."""
    gold, student, teacher = simulate(500, seed=1)
    paired = retention_interval("accuracy", gold, student, teacher, 3, seed=0)
    order = np.random.default_rng(0).permutation(500)
    stranger = np.where((student == gold)[order], gold, (gold + 1) % 3)  # same score, other rows
    unpaired = retention_interval("accuracy", gold, stranger, teacher, 3, seed=0)
    assert paired is not None
    assert unpaired is not None
    assert unpaired.value == pytest.approx(paired.value)
    assert np.ptp(paired.ci) < 0.8 * np.ptp(unpaired.ci)


def test_the_seed_decides() -> None:
    gold, student, _ = simulate(200, seed=2)
    first, again, other = (score_interval("macro_f1", gold, student, 3, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first.ci != other.ci


def test_all_rows_right_is_no_proof_of_a_perfect_model() -> None:
    gold = np.zeros(50, dtype=int)
    perfect = score_interval("accuracy", gold, gold, 2, seed=0)
    assert perfect.value == 1
    wilson = stats.binomtest(50, 50).proportion_ci(method="wilson")
    assert perfect.ci == pytest.approx((wilson.low, 1))
    retention = retention_interval("accuracy", gold, gold, gold, 2, seed=0)
    assert retention is not None
    assert retention.ci[0] < 0.95 < 1 < retention.ci[1]


def test_there_is_no_ratio_to_a_teacher_that_knows_nothing() -> None:
    gold = np.array([0, 1] * 20)
    assert retention_interval("accuracy", gold, gold, 1 - gold, 2, seed=0) is None
    constant = np.zeros(40, dtype=int)
    assert retention_interval("matthews", gold, gold, constant, 2, seed=0) is None
    barely = np.where(np.arange(40) == 0, gold, 1 - gold)  # right once: a third of the resamples miss it
    assert retention_interval("accuracy", gold, gold, barely, 2, seed=0) is None


@pytest.mark.parametrize("rows", [1, 2, 3])
def test_a_handful_of_rows_gives_an_ordered_interval_and_no_warning(rows: int) -> None:
    gold, student = np.arange(rows) % 2, np.zeros(rows, dtype=int)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        estimate = score_interval("accuracy", gold, student, 2, seed=0)
    assert 0 <= estimate.ci[0] <= estimate.value <= estimate.ci[1] <= 1


@pytest.mark.parametrize(("hits", "rows"), [(0, 10), (10, 10), (811, 872), (1, 1)])
def test_share_interval_is_wilsons(hits: int, rows: int) -> None:
    estimate = share_interval(hits, rows)
    theirs = stats.binomtest(hits, rows).proportion_ci(method="wilson")
    assert estimate.ci == pytest.approx((theirs.low, theirs.high))
    assert estimate.ci[0] <= estimate.value <= estimate.ci[1]


def test_a_share_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one row, got 0 of 0"):
        share_interval(0, 0)


def test_memory_does_not_follow_rows_times_resamples() -> None:
    """20,000 rows are drawn as their few distinct combinations; row by row, 2,000 draws are 320 MB."""
    gold, student, teacher = simulate(20_000, seed=0)
    tracemalloc.start()
    retention_interval("macro_f1", gold, student, teacher, 3, seed=0, resamples=2_000)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 40e6
