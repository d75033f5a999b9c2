"""The floor: TF-IDF with logistic regression, learnt from the students' own training rows."""

import random

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from compress.data.rows import NO_LABEL, Rows
from compress.errors import DataError
from compress.judge.floor import REGULARISATIONS, fit_floor, floor_predictions

WORDS = ["goal", "match", "soup", "bread", "beach", "hotel"]
FILLERS = ["the", "was", "very", "good", "today", "we", "saw", "near", "old", "new", "and"]


def made(count: int, seed: int, noise: float = 0.2) -> Rows:
    """Texts of which two words tell the label, unless the label is drawn at random."""
    dice = random.Random(seed)
    texts, labels = [], []
    for _ in range(count):
        label = dice.randrange(3)
        words = [dice.choice(WORDS[2 * label : 2 * label + 2]), *dice.choices(FILLERS, k=6)]
        words += dice.choice(
            [[], [dice.choice(WORDS)] * 5]
        )  # said over and over: less than five times as much
        dice.shuffle(words)
        texts.append(" ".join(words))
        labels.append(dice.randrange(3) if dice.random() < noise else label)
    return Rows(texts, np.array(labels))


def accuracy(rows: Rows, predicted: object) -> float:
    return float((rows.labels == predicted).mean())


def test_it_is_scikit_learns_with_the_best_c_of_the_validation_rows() -> None:
    train, validation, test = made(300, 1), made(150, 2), made(150, 3)
    by_c = {}
    for regularisation in REGULARISATIONS:
        vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
        model = make_pipeline(vectorizer, LogisticRegression(C=regularisation, max_iter=1_000))
        model.fit(train.texts, train.labels)
        by_c[regularisation] = (
            accuracy(validation, model.predict(validation.texts)),
            model.predict(test.texts),
        )
    found = fit_floor(train, test, validation=validation)
    best = max(by_c, key=lambda regularisation: by_c[regularisation][0])
    assert len({score for score, _ in by_c.values()}) == len(by_c)  # there is something to choose
    assert found.regularisation == best
    assert found.selection_score == pytest.approx(by_c[best][0], abs=0.02)
    assert (found.predicted == by_c[best][1]).mean() > 0.98  # 32 bits there, 64 here


def test_it_learns_and_is_the_same_every_time() -> None:
    train, test = made(300, 1, noise=0.0), made(100, 3, noise=0.0)
    first, again = (floor_predictions(train, test) for _ in range(2))
    assert first.shape == (100,)
    assert first.dtype == np.int64
    assert accuracy(test, first) > 0.6  # a guess: 0.33
    assert (first == again).all()


def test_the_reported_labels_are_not_looked_at() -> None:
    train, test = made(200, 1), made(100, 3)
    assert (floor_predictions(train, test) == floor_predictions(train, test.with_labels(None))).all()


def test_rows_that_only_a_teacher_answers_are_left_out() -> None:
    train, validation, test = made(200, 1), made(80, 2), made(100, 3)
    others = Rows(["goal " * 3, "soup beach"] * 40, np.full(80, NO_LABEL))

    def joined(rows: Rows) -> Rows:
        assert rows.labels is not None
        assert others.labels is not None
        return Rows(rows.texts + others.texts, np.concatenate([rows.labels, others.labels]))

    with_others = fit_floor(joined(train), test, validation=joined(validation))
    alone = fit_floor(train, test, validation=validation)
    assert (with_others.predicted == alone.predicted).all()
    assert with_others.selection_score == alone.selection_score


def test_what_was_cut_off_to_select_by_is_learnt_from_in_the_end() -> None:
    """With two rows per label, a tenth is one row: its word is known only if it goes back in."""
    texts = [f"{word} {filler}" for word in WORDS[:4] for filler in FILLERS[:5]]
    train = Rows(texts, np.repeat(np.arange(4), 5))
    predicted = floor_predictions(train, Rows(texts, None))
    assert (predicted == train.labels).all()


def test_chinese_is_read_by_the_character() -> None:
    train = Rows(["这本书很好看", "酒店很差很脏", "好书好看", "房间脏差"] * 10, np.array([1, 0, 1, 0] * 10))
    assert floor_predictions(train, Rows(["好看的书", "脏的房间"], None)).tolist() == [1, 0]


@pytest.mark.parametrize("texts", [["good", "bad", "good"], ["!!!", "...", "?"]])
def test_where_there_is_nothing_to_learn_it_says_the_most_frequent(texts: list[str]) -> None:
    labels = np.array([4, 4, 4]) if texts[0] == "good" else np.array([2, 4, 4])
    assert floor_predictions(Rows(texts, labels), Rows(["anything", "good"], None)).tolist() == [4, 4]


def test_one_row_per_label_and_no_reported_rows_are_no_crash() -> None:
    train = Rows(["goal", "soup", "beach"], np.arange(3))
    assert floor_predictions(train, Rows(["soup"], None)).tolist() == [1]
    assert floor_predictions(train, Rows([], None)).shape == (0,)


@pytest.mark.parametrize("labels", [None, np.full(2, NO_LABEL)])
def test_without_labels_there_is_no_floor(labels: object) -> None:
    rows = Rows(["a", "b"], labels)  # type: ignore[arg-type]  # both kinds of absence
    with pytest.raises(DataError) as caught:
        floor_predictions(rows, rows)
    assert "no training rows with a label" in str(caught.value)
    assert "agreement alone" in str(caught.value)
