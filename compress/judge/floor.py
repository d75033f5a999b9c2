"""The floor that every student must clear: TF-IDF of words with logistic regression."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from compress.data.rows import NO_LABEL, Rows
from compress.data.stratify import cut
from compress.errors import DataError
from compress.judge.metrics import Metric, score
from serve.inputs import joined

REGULARISATIONS = (1.0, 10.0, 100.0)  # scikit-learn's C, the inverse of the strength
# Words, and every Chinese character or kana by itself, as such text has no spaces.
_TOKEN = r"[\u3040-\u30ff\u3400-\u9fff]|[^\W\u3040-\u30ff\u3400-\u9fff]+"  # noqa: S105 - a pattern of words
_MAX_WEIGHTS = 2_000_000  # labels times features: keeps 151 labels on 15,000 rows under half a minute
_MAX_ITERATIONS = 100
_SELECTION_SHARE = 10  # one row in so many, where there are no validation rows


@dataclass(frozen=True, slots=True)
class Floor:
    """What the floor answers and what it was selected by."""

    predicted: NDArray[np.int64]  # label ids, (rows,) of the test rows
    selection_score: float | None  # None where there was nothing to select by
    regularisation: float  # the C that was selected


def floor_predictions(
    train: Rows, test: Rows, *, validation: Rows | None = None, metric: Metric = "accuracy", seed: int = 0
) -> NDArray[np.int64]:
    """The label ids that the floor gives to the test rows, (rows,); see `fit_floor`."""
    return fit_floor(train, test, validation=validation, metric=metric, seed=seed).predicted


def fit_floor(
    train: Rows, test: Rows, *, validation: Rows | None = None, metric: Metric = "accuracy", seed: int = 0
) -> Floor:
    """TF-IDF (words and pairs of words, sublinear) and logistic regression, learnt from the labels.

    C is the one of `REGULARISATIONS` that scores best on the validation rows, the smallest of equals; without
    validation rows, on a tenth of the training rows that is cut off for this alone. Rows without a label
    are left out everywhere. The test rows' labels are not looked at. Deterministic: the same rows give
    the same answers. Raises DataError where no training row has a label.
    """
    train = _labelled(train)
    if not len(train):
        raise DataError(
            "the TF-IDF floor has no training rows with a label",
            "labels in the training rows",
            "map the label column with data.columns, or compare without labels by agreement alone",
        )
    chosen_by = _labelled(validation) if validation is not None else None
    if chosen_by is not None and len(chosen_by):
        return _best(train, chosen_by, test, metric)
    rest, cut_off = cut(train, max(1, len(train) // _SELECTION_SHARE), seed)
    if not len(cut_off):
        return Floor(_Bag(train).answers([test], REGULARISATIONS[0])[0], None, REGULARISATIONS[0])
    selected = _best(rest, cut_off, test, metric)
    # The same rows as the students': what was cut off to select by goes back in.
    (predicted,) = _Bag(train).answers([test], selected.regularisation)
    return Floor(predicted, selected.selection_score, selected.regularisation)


def _best(train: Rows, validation: Rows, test: Rows, metric: Metric) -> Floor:
    """The floor of the C that scores best on the validation rows."""
    gold = _labels(validation)
    label_count = int(max(gold.max(), _labels(train).max())) + 1
    bag = _Bag(train)
    floors = []
    for regularisation in REGULARISATIONS:
        answers, predicted = bag.answers([validation, test], regularisation)
        floors.append(Floor(predicted, score(metric, gold, answers, label_count), regularisation))
    return max(floors, key=lambda floor: floor.selection_score or 0.0)


class _Bag:
    """Training rows as bags of words."""

    def __init__(self, train: Rows) -> None:
        self.labels = _labels(train)
        kinds, counts = np.unique(self.labels, return_counts=True)
        self.most_frequent = int(kinds[counts.argmax()])
        self.vectorizer: Any = TfidfVectorizer(
            ngram_range=(1, 2),
            sublinear_tf=True,
            token_pattern=_TOKEN,
            max_features=_MAX_WEIGHTS // len(kinds),
            dtype=np.float32,
        )
        try:
            self.features = (
                self.vectorizer.fit_transform(list(map(joined, train.texts))) if len(kinds) > 1 else None
            )
        except ValueError:  # no text has a word
            self.features = None

    def answers(self, asked: Sequence[Rows], regularisation: float) -> list[NDArray[np.int64]]:
        """The label ids of each set of rows; the most frequent label where there is nothing to learn from."""
        if self.features is None:
            return [np.full(len(rows), self.most_frequent, dtype=np.int64) for rows in asked]
        model = LogisticRegression(C=regularisation, max_iter=_MAX_ITERATIONS)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # near enough, for a floor
            model.fit(self.features, self.labels)
        return [self._predict(model, rows) for rows in asked]

    def _predict(self, model: Any, rows: Rows) -> NDArray[np.int64]:
        if not len(rows):
            return np.zeros(0, dtype=np.int64)
        return np.asarray(
            model.predict(self.vectorizer.transform(list(map(joined, rows.texts)))), dtype=np.int64
        )


def _labels(rows: Rows) -> NDArray[np.int64]:
    assert rows.labels is not None
    return rows.labels


def _labelled(rows: Rows) -> Rows:
    """The rows with a label; none of them where the data has no labels."""
    if rows.labels is None:
        return rows.take([]).with_labels(np.zeros(0, dtype=np.int64))
    return rows.take(np.flatnonzero(rows.labels != NO_LABEL))
