import warnings

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score, matthews_corrcoef

from compress.judge.metrics import METRICS, Ids, Metric, bootstrap_scores, jackknife_scores, score


def reference(metric: Metric, gold: Ids, predicted: Ids) -> float:
    if metric == "accuracy":
        return float(accuracy_score(gold, predicted))
    if metric == "macro_f1":
        return float(f1_score(gold, predicted, average="macro", zero_division=0))
    if metric == "binary_f1":  # of two labels scikit-learn's default; of more the same label by its number
        return float(f1_score(gold, predicted, labels=[1], average="macro", zero_division=0))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "A single label was found")  # scikit-learn's word on one row
        return float(matthews_corrcoef(gold, predicted))


def answered(rows: int, labels: int, right: float, seed: int = 0) -> tuple[Ids, Ids]:
    random = np.random.default_rng(seed)
    gold = random.integers(labels, size=rows)
    return gold, np.where(random.random(rows) < right, gold, random.integers(labels, size=rows))


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(("rows", "labels"), [(1, 2), (40, 2), (200, 5), (90, 151)])
def test_score_is_what_scikit_learn_gives(metric: Metric, rows: int, labels: int) -> None:
    gold, predicted = answered(rows, labels, right=0.6)
    assert score(metric, gold, predicted, labels) == pytest.approx(reference(metric, gold, predicted))


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("labels", [2, 7, 151])
def test_each_resample_is_scored_as_scikit_learn_scores_its_rows(metric: Metric, labels: int) -> None:
    """Also where labels are missing from a resample: 60 rows cannot hold 151 labels."""
    gold, predicted = answered(60, labels, right=0.5)
    drawn = np.random.default_rng(1).integers(60, size=(25, 60))
    weights = np.stack([np.bincount(rows, minlength=60) for rows in drawn])
    expected = [reference(metric, gold[rows], predicted[rows]) for rows in drawn]
    assert bootstrap_scores(metric, gold, predicted, labels, weights) == pytest.approx(expected)


@pytest.mark.parametrize("metric", METRICS)
def test_leaving_one_out_is_scoring_the_others(metric: Metric) -> None:
    gold, predicted = answered(30, 4, right=0.5)
    expected = [reference(metric, np.delete(gold, row), np.delete(predicted, row)) for row in range(30)]
    assert jackknife_scores(metric, gold, predicted, 4, np.ones(30)) == pytest.approx(expected)


@pytest.mark.parametrize("metric", METRICS)
def test_a_constant_answer_scores_as_scikit_learn_says(metric: Metric) -> None:
    gold, constant = np.array([0, 1, 1, 2]), np.array([1, 1, 1, 1])
    assert score(metric, gold, constant, 3) == pytest.approx(reference(metric, gold, constant))


def test_a_resample_without_rows_has_no_score() -> None:
    assert np.isnan(bootstrap_scores("accuracy", np.array([0]), np.array([0]), 2, np.zeros((1, 1)))).all()


def test_what_cannot_be_scored_is_refused() -> None:
    with pytest.raises(ValueError, match="no rows"):
        score("accuracy", np.array([], dtype=int), np.array([], dtype=int), 2)
    with pytest.raises(ValueError, match="labels run from -1 to 1, expected 0 to 1"):
        score("accuracy", np.array([0, 1]), np.array([-1, 1]), 2)
    with pytest.raises(ValueError, match=r"shape \(rows,\), got \(2,\) and \(1,\)"):
        score("accuracy", np.array([0, 1]), np.array([1]), 2)
