"""Changed texts and files from elsewhere: what is changed, who falls how far, and whether that may be chance."""

import numpy as np
import pytest
from scipy import stats

from compress.data.rows import Rows
from compress.judge.bootstrap import share_interval
from compress.judge.generalization import (
    FILE_ROWS,
    ROWS,
    Answers,
    Changed,
    changed_rows,
    shift,
    together,
    unpaired_difference,
)
from compress.judge.perturb import PERTURBATIONS, perturb

TEXTS = [
    "The ending was wonderful, and the music was even better!",
    "no plot",
    "我喜欢这部电影。",
    "12:30 ???",
    "a",
    "It's one of the worst films of the year; nobody in the audience laughed, and I left early.",
]


def test_each_change_is_of_its_own_kind() -> None:
    for kind in PERTURBATIONS:
        for before, after in zip(TEXTS, perturb(kind, TEXTS, seed=3), strict=True):
            assert after.strip()
            if kind == "case":
                assert after.casefold() == before.casefold()
            if kind == "punctuation":
                letters = [[mark for mark in text if mark.isalnum()] for text in (before, after)]
                assert letters[0] == letters[1]
                assert before != after
            if kind == "typos":
                assert abs(len(after.split()) - len(before.split())) == 0
    assert perturb("typos", TEXTS, seed=3)[0] != TEXTS[0]
    assert perturb("typos", ["12:30 ???"], seed=3) == ["12:30 ???"]


def test_a_long_text_gets_more_typing_mistakes_and_keeps_most_of_its_words() -> None:
    long = " ".join(["something", "wonderful", "happened"] * 16)
    (typed,) = perturb("typos", [long], seed=0)
    changed = sum(before != after for before, after in zip(long.split(), typed.split(), strict=True))
    assert changed == 6


def test_the_same_seed_changes_the_same() -> None:
    assert perturb("typos", TEXTS, seed=5) == perturb("typos", TEXTS, seed=5)
    assert perturb("typos", TEXTS * 5, seed=5) != perturb("typos", TEXTS * 5, seed=6)


def test_the_number_of_rows_is_bounded() -> None:
    test = Rows([f"text number {number}" for number in range(2000)], np.arange(2000) % 2)
    elsewhere = {"reviews": Rows(["other"] * 3000, np.arange(3000) % 77)}
    changed = changed_rows(test, elsewhere, seed=0)
    assert [(one.name, len(one.rows)) for one in changed] == [
        ("typos", ROWS), ("case", ROWS), ("punctuation", ROWS), ("reviews", FILE_ROWS)
    ]  # fmt: skip
    assert len(together(changed)) == 3 * ROWS + FILE_ROWS
    places = changed[0].places
    assert places is not None
    assert len(set(places.tolist())) == ROWS
    assert changed[1].rows.texts == perturb("case", [test.texts[place] for place in places], seed=0)
    assert changed[1].rows.labels is not None
    assert changed[1].rows.labels.tolist() == (places % 2).tolist()


def probabilities(answers: np.ndarray) -> np.ndarray:
    return np.where(answers[:, None] == [0, 1], 0.9, 0.1)


def test_changed_rows_are_compared_with_themselves() -> None:
    """The student fails where the teacher holds, on places that are not the first rows."""
    gold = np.arange(100) % 2
    places = np.arange(20, 100)
    test = Answers(probabilities(gold), probabilities(np.where(np.arange(100) < 20, 1 - gold, gold)))
    now = gold[places].copy()
    now[:16] = 1 - now[:16]
    found = shift(
        Changed("typos", "perturbed", Rows(["x"] * 80, gold[places]), places),
        Answers(probabilities(gold[places]), probabilities(now)),
        test,
        gold,
        "accuracy",
        seed=0,
    )
    assert found.teacher is not None
    assert found.shipped is not None
    assert (found.teacher.score, found.teacher.drop) == (1, 0)
    # On all rows the student scores 0.8 already: unpaired, the drop would have been 0.
    assert (found.shipped.score, found.shipped.drop) == pytest.approx((0.8, 0.2))
    assert found.shipped.drop_ci[0] > 0
    assert found.agreement == pytest.approx(0.8)


def test_a_file_is_compared_with_all_test_rows() -> None:
    gold = np.arange(100) % 2
    elsewhere = np.arange(50) % 2
    found = shift(
        Changed("reviews", "file", Rows(["x"] * 50, elsewhere), None),
        Answers(
            probabilities(elsewhere), probabilities(np.where(np.arange(50) < 10, 1 - elsewhere, elsewhere))
        ),
        Answers(probabilities(gold), probabilities(np.where(np.arange(100) < 10, 1 - gold, gold))),
        gold,
        "accuracy",
        seed=0,
    )
    assert found.shipped is not None
    assert (found.shipped.score, found.shipped.drop) == pytest.approx((0.8, 0.1))
    low, high = found.shipped.drop_ci
    assert low < 0.1 < high


def test_the_interval_of_independent_samples_is_newcombes() -> None:
    """Newcombe 1998, table II, method 10: 56/70 - 48/80 is [0.0524, 0.3339]."""
    found = unpaired_difference(share_interval(56, 70), share_interval(48, 80))
    assert found.value == pytest.approx(0.2)
    assert found.ci == pytest.approx((0.0524, 0.3339), abs=5e-5)
    reference = stats.binomtest(56, 70).proportion_ci(method="wilson")
    assert share_interval(56, 70).ci == pytest.approx((reference.low, reference.high))


def test_rows_without_labels_are_judged_by_agreement_alone() -> None:
    answers = Answers(probabilities(np.zeros(4, int)), probabilities(np.array([0, 0, 0, 1])))
    found = shift(
        Changed("case", "perturbed", Rows(["x"] * 4, None), np.arange(4)),
        answers, answers, None, "accuracy", seed=0,
    )  # fmt: skip
    assert (found.teacher, found.shipped, found.agreement) == (None, None, 0.75)
