"""Differences of two models on the same rows, against enumeration, scipy and plain numpy."""

from itertools import product
from math import comb

import numpy as np
import pytest
from numpy.typing import NDArray
from plain_f1 import hold_against_scikit_learn, macro_f1
from scipy import stats

from compress.judge.metrics import Ids
from compress.judge.paired import (
    PairedRuns,
    mcnemar,
    paired_difference,
    paired_p_value,
    pooled_difference,
)


def counted(both: int, only_ours: int, only_theirs: int, neither: int) -> tuple[Ids, Ids, Ids]:
    """Gold labels and two models' answers with so many rows of each kind, of two labels."""
    ours = np.repeat([1, 1, 0, 0], [both, only_ours, only_theirs, neither])
    theirs = np.repeat([1, 0, 1, 0], [both, only_ours, only_theirs, neither])
    return np.ones_like(ours), ours, theirs


def simulate(
    rows: int, random: np.random.Generator, accuracies: list[float], theirs: list[float]
) -> PairedRuns:
    """Models that find the same rows hard; their true accuracies, seed for seed."""
    gold = random.integers(2, size=rows)
    easy = random.normal(size=rows)

    def answers(accuracy: float) -> Ids:
        own = 0.8 * easy + 0.6 * random.normal(size=rows)
        return np.where(own < stats.norm.ppf(accuracy), gold, 1 - gold)

    return PairedRuns(gold, np.stack([*map(answers, accuracies)]), np.stack([*map(answers, theirs)]))


def test_the_difference_is_scipys_over_pairs() -> None:
    gold, ours, theirs = counted(230, 32, 14, 24)
    found = paired_difference("accuracy", gold, ours, theirs, 2, seed=0, resamples=20_000)
    scipys = stats.bootstrap(
        ((ours == gold).astype(float), (theirs == gold).astype(float)),
        lambda ours, theirs, axis: ours.mean(axis=axis) - theirs.mean(axis=axis),
        paired=True,
        n_resamples=20_000,
        rng=1,
    )
    assert found.value == pytest.approx(18 / 300)
    assert found.ci == pytest.approx(tuple(scipys.confidence_interval), abs=0.004)


@pytest.mark.parametrize("table", [(9, 4, 2, 5), (13, 6, 1, 10), (7, 2, 5, 9), (20, 8, 3, 6)])
def test_resamples_equal_to_the_value_tie_with_it(table: tuple[int, int, int, int]) -> None:
    """0.9 - 0.8 is not 0.5 - 0.4 in floats: counted as above or below, ties shift the whole interval."""
    gold, ours, theirs = counted(*table)
    found = paired_difference("accuracy", gold, ours, theirs, 2, seed=0, resamples=50_000)
    by_row = (ours - theirs).astype(float)
    scipys = stats.bootstrap(
        (by_row,),
        lambda values, axis: (values.sum(axis=axis) / len(gold)).round(12),
        n_resamples=50_000,
        rng=1,
    )
    assert found.ci == pytest.approx(tuple(scipys.confidence_interval), abs=1e-9)


def test_a_difference_of_macro_f1_is_the_plain_bootstraps() -> None:
    """Of a rare label, so that accuracy has another interval."""
    run = simulate(400, np.random.default_rng(1), [0.85], [0.8])
    rows = np.concatenate([np.flatnonzero(run.gold == 0)[:170], np.flatnonzero(run.gold == 1)[:30]])
    gold, ours, theirs = run.gold[rows], run.ours[0][rows], run.theirs[0][rows]
    found = paired_difference("macro_f1", gold, ours, theirs, 2, seed=0)
    random = np.random.default_rng(2)
    hold_against_scikit_learn(gold, ours, theirs)
    differences = []
    for _ in range(4_000):
        rows = random.integers(200, size=200)
        differences.append(macro_f1(gold[rows], ours[rows]) - macro_f1(gold[rows], theirs[rows]))
    assert found.ci == pytest.approx(tuple(np.quantile(differences, [0.025, 0.975])), abs=0.015)


@pytest.mark.parametrize("metric", ["accuracy", "macro_f1", "matthews"])
def test_who_is_called_ours_changes_the_sign_alone(metric: str) -> None:
    gold, ours, theirs = counted(230, 32, 14, 24)
    gold[::3] = 0
    forth = paired_difference(metric, gold, ours, theirs, 2, seed=0)  # type: ignore[arg-type]  # a metric
    back = paired_difference(metric, gold, theirs, ours, 2, seed=0)  # type: ignore[arg-type]  # a metric
    assert forth.value == -back.value
    assert forth.ci == pytest.approx((-back.ci[1], -back.ci[0]), abs=0.01)


def test_models_that_answer_alike_are_no_proof_of_no_difference() -> None:
    gold, ours, _ = counted(80, 0, 0, 20)
    found = paired_difference("accuracy", gold, ours, ours, 2, seed=0)
    bound = stats.norm.ppf(0.975) ** 2 / (100 + stats.norm.ppf(0.975) ** 2)
    assert found.value == 0
    assert found.ci == pytest.approx((-bound, bound))
    assert mcnemar(gold, ours, ours).p_value == 1
    assert paired_p_value("accuracy", PairedRuns(gold, ours[None], ours[None]), seed=0) == 1


def test_the_interval_covers_the_true_difference() -> None:
    random = np.random.default_rng(0)
    covered = 0
    for seed in range(300):
        gold, (ours,), (theirs,) = simulate(400, random, [0.88], [0.85])
        low, high = paired_difference("accuracy", gold, ours, theirs, 2, seed=seed, resamples=1_000).ci
        covered += low <= 0.03 <= high
    assert 0.91 <= covered / 300 <= 0.985


def test_mcnemar_on_a_textbooks_table() -> None:
    """Approval of a prime minister in two surveys (Agresti, Categorical Data Analysis, table 10.1)."""
    found = mcnemar(*counted(794, 150, 86, 570))
    assert (found.only_ours, found.only_theirs) == (150, 86)
    tail = sum(comb(236, count) for count in range(87)) / 2**236
    assert found.p_value == pytest.approx(2 * tail)
    assert found.p_value == pytest.approx(3.7e-5, rel=0.05)
    turned = mcnemar(*counted(794, 86, 150, 570))
    assert (turned.only_ours, turned.p_value) == (86, pytest.approx(found.p_value))


def test_a_handful_of_rows_needs_the_test_beside_the_interval() -> None:
    gold, ours, theirs = counted(90, 3, 0, 7)
    assert paired_difference("accuracy", gold, ours, theirs, 2, seed=0).ci[0] > 0
    assert mcnemar(gold, ours, theirs).p_value == 0.25


def test_with_one_seed_chance_is_mcnemars() -> None:
    for table in ((90, 3, 0, 7), (230, 32, 14, 24), (10, 5, 5, 1), (794, 150, 86, 570)):
        gold, ours, theirs = counted(*table)
        run = PairedRuns(gold, ours[None], theirs[None])
        assert paired_p_value("accuracy", run, seed=0) == pytest.approx(mcnemar(gold, ours, theirs).p_value)


def test_with_several_seeds_chance_is_every_way_to_swap_rows() -> None:
    run = simulate(11, np.random.default_rng(5), [0.7, 0.9, 0.9], [0.5, 0.6, 0.4])
    gold, ours, theirs = run
    by_row = ((ours == gold).astype(int) - (theirs == gold)).sum(axis=0)
    sums = np.array([by_row @ signs for signs in product((-1, 1), repeat=11)])
    expected = (np.abs(sums) >= abs(by_row.sum())).mean()
    assert 0.001 < expected < 0.5
    assert paired_p_value("accuracy", run, seed=0) == pytest.approx(expected)


def test_chance_in_macro_f1_is_every_way_to_swap_rows() -> None:
    """Of rare labels: of accuracy it is twice as much."""
    gold = np.array([0, 0, 0, 0, 0, 0, 1, 1, 2])
    ours = np.array([[0, 0, 0, 0, 2, 0, 1, 1, 2], [2, 0, 0, 0, 2, 0, 1, 1, 2]])
    theirs = np.array([[1, 0, 0, 0, 2, 2, 1, 1, 2], [0, 0, 0, 2, 2, 0, 1, 2, 2]])

    hold_against_scikit_learn(gold, *ours, *theirs)

    def difference(swapped: NDArray[np.bool_]) -> float:
        first, second = np.where(swapped, theirs, ours), np.where(swapped, ours, theirs)
        scores = [[macro_f1(gold, one) for one in each] for each in (first, second)]
        return float(np.mean(scores[0]) - np.mean(scores[1]))

    every = np.array([difference(np.array(swapped)) for swapped in product((False, True), repeat=9)])
    expected = (np.abs(every) >= abs(every[0]) - 1e-9).mean()
    found = paired_p_value("macro_f1", PairedRuns(gold, ours, theirs), seed=0)
    assert 0.05 < expected < 0.9
    assert found == pytest.approx(expected, abs=0.02)


def two_sets() -> list[PairedRuns]:
    random = np.random.default_rng(3)
    return [
        simulate(150, random, [0.9, 0.9], [0.85, 0.85]),
        simulate(600, random, [0.8, 0.8], [0.8, 0.8]),
    ]


def by_row(run: PairedRuns) -> NDArray[np.float64]:
    """(ours right) - (theirs right), the mean over seeds, row by row."""
    return ((run.ours == run.gold).astype(float) - (run.theirs == run.gold)).mean(axis=0)


def test_pooling_draws_rows_within_sets_the_same_for_all_seeds() -> None:
    """Also tells apart two faults: other rows for every seed, and all rows in one pot."""
    runs = two_sets()
    found = pooled_difference(runs, seed=0)
    random = np.random.default_rng(1)

    def drawn(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(
            values[random.integers(len(values), size=(10_000, len(values)))].mean(axis=1), dtype=np.float64
        )

    expected = np.mean([drawn(by_row(run)) for run in runs], axis=0)
    assert found.value == pytest.approx(np.mean([by_row(run).mean() for run in runs]))
    assert found.ci == pytest.approx(tuple(np.quantile(expected, [0.025, 0.975])), abs=0.003)
    pot = np.concatenate([by_row(run) for run in runs])
    assert abs(np.ptp(found.ci) - np.ptp(np.quantile(drawn(pot), [0.025, 0.975]))) > 0.006


def test_data_sets_are_drawn_independently() -> None:
    """Two as large are one of twice the rows; drawn in step they would be one alone."""
    run = simulate(400, np.random.default_rng(8), [0.9], [0.85])
    width = np.ptp(pooled_difference([run], seed=0).ci)
    assert np.ptp(pooled_difference([run, run], seed=0).ci) == pytest.approx(width / np.sqrt(2), rel=0.08)


def test_few_seeds_are_stretched_to_the_variance_between_them() -> None:
    """Two seeds that are 0.1 apart: means of two draws lie at most 0.05 from the middle, unstretched."""
    gold = np.ones(20_000, dtype=np.int64)
    ours = np.stack([np.arange(20_000) < 18_000, np.arange(20_000) < 16_000]).astype(np.int64)
    theirs = np.stack([np.arange(20_000) < 16_000] * 2).astype(np.int64)
    found = pooled_difference([PairedRuns(gold, ours, theirs)], seed=0)
    assert found.value == pytest.approx(0.05)
    assert found.ci_seeds == pytest.approx((0.05 - 0.05 * np.sqrt(2), 0.05 + 0.05 * np.sqrt(2)), abs=0.006)


def test_a_seed_told_twice_is_not_more_data() -> None:
    run = simulate(300, np.random.default_rng(4), [0.9], [0.85])
    once = pooled_difference([run], seed=0)
    twice = PairedRuns(run.gold, np.repeat(run.ours, 2, axis=0), np.repeat(run.theirs, 2, axis=0))
    again = pooled_difference([twice], seed=0)
    assert once.ci_seeds is None
    assert again.value == pytest.approx(once.value)
    assert again.ci == pytest.approx(once.ci, abs=1e-9)
    single = paired_difference("accuracy", run.gold, run.ours[0], run.theirs[0], 2, seed=0)
    assert once.ci == single.ci


def test_only_drawing_seeds_covers_the_way_of_training() -> None:
    """Models of one method differ by seed: what holds of these models need not hold of the next one."""
    random = np.random.default_rng(6)
    covered = {"rows": 0, "seeds": 0}
    for number in range(120):
        ours = list(0.87 + random.normal(0, 0.02, size=4))
        found = pooled_difference([simulate(2_000, random, ours, [0.85] * 4)], seed=number, resamples=400)
        assert found.ci_seeds is not None
        covered["rows"] += found.ci[0] <= 0.02 <= found.ci[1]
        covered["seeds"] += found.ci_seeds[0] <= 0.02 <= found.ci_seeds[1]
    assert covered["rows"] / 120 < 0.75
    assert covered["seeds"] / 120 > 0.85


def test_seeds_are_drawn_in_pairs() -> None:
    """Ours and theirs of a seed rise and fall together (same order of the data): that cancels out."""
    random = np.random.default_rng(7)
    run = simulate(3_000, random, [0.8, 0.85, 0.9], [0.78, 0.83, 0.88])
    crossed = PairedRuns(run.gold, run.ours, run.theirs[[2, 0, 1]])
    paired, unpaired = (pooled_difference([each], seed=0).ci_seeds for each in (run, crossed))
    assert paired is not None
    assert unpaired is not None
    assert np.ptp(paired) < 0.5 * np.ptp(unpaired)


def test_what_cannot_be_compared_is_refused() -> None:
    gold, ours, theirs = counted(3, 1, 1, 1)
    with pytest.raises(ValueError, match="no runs"):
        pooled_difference([], seed=0)
    with pytest.raises(
        ValueError, match=r"two arrays of shape \(seeds, rows\), got \(6,\), \(6,\) and \(6,\)"
    ):
        pooled_difference([PairedRuns(gold, ours, theirs)], seed=0)
    with pytest.raises(ValueError, match=r"\(2, 6\) and \(1, 6\)"):
        paired_p_value("accuracy", PairedRuns(gold, np.stack([ours, ours]), theirs[None]), seed=0)
    with pytest.raises(ValueError, match="labels run from -100"):
        paired_difference("accuracy", np.full(6, -100), ours, theirs, 2, seed=0)
