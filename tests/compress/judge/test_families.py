"""Correlations and metrics of label sets against scipy and scikit-learn, on resamples and with rows left out."""

import numpy as np
import pytest
from scipy.stats import pearsonr, spearmanr
from sklearn.metrics import average_precision_score, f1_score

from compress.judge.bootstrap import retention_interval, score_interval
from compress.judge.metrics import bootstrap_scores, jackknife_scores, score
from compress.judge.paired import PairedRuns, paired_difference, paired_p_value

ROWS = 80
RANDOM = np.random.default_rng(5)
SETS = (RANDOM.random((ROWS, 4)) < [0.5, 0.3, 0.1, 0.05]).astype(np.int64)
LIKELY = np.round(RANDOM.random((ROWS, 4)) * 0.6 + 0.4 * SETS, 1)  # with ties
NUMBERS = np.round(RANDOM.normal(size=ROWS), 1)  # with ties
NEAR = 1000 + np.round(NUMBERS + RANDOM.normal(size=ROWS), 1)
CASES = {
    "pearson": (NUMBERS, NEAR, lambda gold, found: pearsonr(gold, found)[0]),
    "spearman": (NUMBERS, NEAR, lambda gold, found: spearmanr(gold, found)[0]),
    "micro_f1": (SETS, LIKELY > 0.5, lambda gold, found: f1_score(gold, found, average="micro")),
    "macro_f1": (
        SETS,
        LIKELY > 0.5,
        lambda gold, found: f1_score(gold, found, average="macro", zero_division=0),
    ),
    "average_precision": (SETS, LIKELY, lambda gold, found: average_precision_score(gold, found)),
}


@pytest.mark.parametrize("metric", CASES)
def test_every_resample_is_scored_as_the_library_scores_its_rows(metric: str) -> None:
    gold, found, reference = CASES[metric]
    assert score(metric, gold, found, 4) == pytest.approx(reference(gold, found), abs=1e-12)
    weights = np.random.default_rng(1).multinomial(ROWS, np.ones(ROWS) / ROWS, size=6)
    for drawn, ours in zip(weights, bootstrap_scores(metric, gold, found, 4, weights), strict=True):
        rows = np.repeat(np.arange(ROWS), drawn)
        assert gold[rows].any(axis=0).all()  # or else a label that was not drawn would be counted as 0
        assert ours == pytest.approx(reference(gold[rows], found[rows]), abs=1e-9)


@pytest.mark.parametrize("metric", CASES)
def test_leaving_one_out_is_scoring_the_others(metric: str) -> None:
    gold, found, _ = CASES[metric]
    others = jackknife_scores(metric, gold, found, 4, np.ones(ROWS, dtype=np.int64))
    for row in (0, 7, ROWS - 1):
        kept = np.arange(ROWS) != row
        assert others[row] == pytest.approx(score(metric, gold[kept], found[kept], 4), abs=1e-9)


@pytest.mark.parametrize("metric", CASES)
def test_intervals_hold_the_value_and_alike_models_keep_everything(metric: str) -> None:
    gold, found, _ = CASES[metric]
    interval = score_interval(metric, gold, found, 4, seed=1, resamples=400)
    assert interval.ci[0] < interval.value < interval.ci[1] <= 1
    kept = retention_interval(metric, gold, found, found, 4, seed=1, resamples=400)
    assert kept is not None
    assert kept.value == 1
    shuffled = found[np.random.default_rng(2).permutation(ROWS)]
    worse = retention_interval(metric, gold, shuffled, found, 4, seed=1, resamples=400)
    assert worse is not None
    assert worse.ci[1] < 1
    gain = paired_difference(metric, gold, found, shuffled, 4, seed=1, resamples=400)
    assert gain.ci[0] > 0
    chance = PairedRuns(gold, found[None], shuffled[None])
    assert paired_p_value(metric, chance, seed=1, flips=200) < 0.05


def test_a_scale_and_an_offset_do_not_change_a_correlation_and_a_constant_has_none() -> None:
    assert score("pearson", NUMBERS, 3 * NEAR - 1e6, 1) == pytest.approx(
        score("pearson", NUMBERS, NEAR, 1), abs=1e-9
    )
    assert score("pearson", NUMBERS, np.full(ROWS, 2.5), 1) == 0
    assert score("spearman", NUMBERS, np.full(ROWS, 2.5), 1) == 0
    assert score("pearson", NUMBERS, -NUMBERS, 1) == pytest.approx(-1)


def test_a_label_that_was_not_drawn_is_left_out_and_one_that_never_is_counts_as_nought() -> None:
    gold, found = np.array([[1, 0], [1, 1], [0, 0]]), np.array([[1, 0], [1, 1], [0, 0]])
    (only_first,) = bootstrap_scores("macro_f1", gold, found, 2, np.array([[3, 0, 0]]))
    assert only_first == 1
    never = np.column_stack([gold, np.zeros(3, dtype=np.int64)])
    assert score("macro_f1", never, never, 3) == pytest.approx(
        f1_score(never, never, average="macro", zero_division=0)
    )
