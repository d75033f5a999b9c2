"""Answers as one array, how right each is, and where two models answer alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from compress.judge.answer_texts import EXACT_MATCH, answer_values
from compress.tasks.interface import Bools, Floats, JudgingPart, Labels
from serve.tasks import Answer, Extraction

if TYPE_CHECKING:
    from compress.data.rows import Rows

START, END, SCORE = range(3)


class AnswerJudging(JudgingPart):
    """Answers are (rows, 3): first character, the one after the last, and how sure."""

    def stack(self, answers: Sequence[Answer], labels: Sequence[str]) -> Floats:
        """(rows, 3)."""
        return stacked(answers)

    def gold_marks(self, metric: str, rows: Rows) -> NDArray[Any]:
        """1 for every row: what an answer's value is a share of, (rows,)."""
        return np.ones(len(rows))

    def marks(self, metric: str, answers: Floats, rows: Rows) -> NDArray[Any]:
        """How right each answer is, (rows,)."""
        return values_of(metric, answers, rows)

    def as_labels(self, answers: Floats) -> Labels:
        """See `Task`."""
        return places_of(answers)

    def same(self, one: Floats, other: Floats) -> Bools:
        """The very same characters of the context."""
        return np.asarray((one[:, : END + 1] == other[:, : END + 1]).all(axis=1))

    def largest_change(self, one: Floats, other: Floats) -> float:
        """In how sure an answer is."""
        return float(np.abs(one[:, SCORE] - other[:, SCORE]).max(initial=0.0))

    def right(self, answers: Floats, rows: Rows) -> Bools | None:
        """Answers that match one of the right ones exactly."""
        return np.asarray(values_of(EXACT_MATCH, answers, rows) == 1)

    def confidence(self, answers: Floats) -> Floats | None:
        """At most 1: what stands in two windows is counted twice in an answer's score."""
        return np.minimum(answers[:, SCORE], 1.0)


def stacked(answers: Sequence[Answer]) -> Floats:
    """(rows, 3)."""
    found = [(answer.start, answer.end, answer.score) for answer in answers if isinstance(answer, Extraction)]
    return np.array(found, dtype=np.float64).reshape(-1, 3)


def values_of(metric: str, answers: Floats, rows: Rows) -> Floats:
    """How right each answer is, (rows,)."""
    assert rows.labels is not None
    contexts = [asked[1] for asked in rows.texts]
    given = [
        context[int(start) : int(end)] for context, (start, end, _) in zip(contexts, answers, strict=True)
    ]
    right = [
        [context[start:end] for start, end in row.tolist() if end > start >= 0]
        for context, row in zip(contexts, rows.labels, strict=True)
    ]
    return answer_values(metric, given, right, contexts)


def places_of(answers: Floats) -> Labels:
    """Answers in the place of labels, (rows, 1, 2)."""
    return answers[:, None, : END + 1].astype(np.int32)


def unanswerable(labels: Labels) -> Bools:
    """Rows whose answer is that there is none, (rows,)."""
    return np.asarray((labels[:, 0, 0] >= 0) & (labels[:, 0, 1] == labels[:, 0, 0]))
