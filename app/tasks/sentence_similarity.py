"""Two texts whose vectors are compared: the cosine of each model's own."""

import base64
from collections.abc import Mapping, Sequence
from math import floor
from typing import Any, ClassVar

import numpy as np

from app.forms import Form
from app.rows import Both, Row
from app.tasks.numbers import Numbers
from app.views.nearest import nearest
from app.views.scale import Scale
from serve.inputs import Input, parts
from serve.tasks import Answer, Answering, Embedding
from serve.tasks.embedding import unit

TOLERANCE = 0.05  # of a cosine, as the verdict has it
_STEP = 0.5  # by which the scale is shortened where no cosine is so low
_NEAREST = 5  # texts
_ROOM = 0.1  # below the teacher's lowest, for the student's


class SentenceSimilarity(Numbers):
    """Vectors, of which the cosine of two texts is shown."""

    name: ClassVar[str] = "sentence-similarity"
    number: ClassVar[str] = "cosine"
    agreement_means: ClassVar[str] = f"cosine within {TOLERANCE} of the teacher's"
    same: ClassVar[str] = f"Cosines within {TOLERANCE} of each other"
    within: ClassVar[float] = TOLERANCE

    def __init__(self, answering: Answering, labels: Sequence[str]) -> None:
        super().__init__(answering, labels)
        self._scale = Scale(-1.0, 1.0)

    @property
    def scale(self) -> Scale:
        """Of cosines; without the lower part where none stands."""
        return self._scale

    def gold_scale(self, gold: Sequence[float], drawn: Scale) -> Scale:
        """Of the scores of the data."""
        return Scale(min(gold), max(gold))

    def form(self, columns: Mapping[str, str], *, pairs: bool) -> Form:
        """Two boxes, whatever the data has: one vector alone tells a reader nothing."""
        return super().form(columns, pairs=True)

    def read_answer(self, asked: Input, told: Mapping[str, Any]) -> Answer:
        """See `Task`."""
        vectors = [np.frombuffer(base64.b64decode(one), "<f4") for one in told["embeddings"]]
        return Embedding(np.stack(vectors), tokens=0, truncated=False)

    def arranged(self, rows: list[Row]) -> list[Row]:
        """Pairs; of single texts each with the next one, as the verdict compares them."""
        if rows and rows[0].text_pair is None:
            rows = [_with(row, following) for row, following in zip(rows, [*rows[1:], rows[0]], strict=True)]
        lowest = min((row.teacher.score for row in rows), default=-1.0) - _ROOM
        self._scale = Scale(min(max(floor(lowest / _STEP) * _STEP, -1.0), 0.5), 1.0)
        return rows

    def beside(self, asked: Input, taught: Answer | None, learnt: Answer, rows: Sequence[Both]) -> str:
        """The second texts of the rows that are nearest to the first text, by each model's own vectors."""
        texts = [parts(one.row.asked)[1] for one in rows]
        theirs = _nearest(taught, [one.row.teacher for one in rows], texts) if taught else []
        return nearest(parts(asked)[0], theirs, _nearest(learnt, [one.student for one in rows], texts))

    def told(self, answer: Answer) -> dict[str, Any]:
        """The cosine."""
        return {"similarity": answer.score}

    @property
    def answer_columns(self) -> tuple[str, ...]:
        """See `Task`."""
        return ("cosine",)

    def answer_cells(self, asked: Input, answer: Answer) -> list[str]:
        """See `Task`."""
        return [f"{answer.score:.4f}"]


def _nearest(answer: Answer, others: Sequence[Answer], texts: Sequence[str]) -> list[tuple[str, float]]:
    assert isinstance(answer, Embedding)
    if not others:
        return []
    vectors = np.stack([one.vectors[1] for one in others if isinstance(one, Embedding)])
    found = unit(vectors) @ unit(answer.vector)
    best: dict[str, float] = {}
    for place in np.argsort(-found, kind="stable"):
        best.setdefault(texts[place], float(found[place]))
        if len(best) == _NEAREST:
            break
    return list(best.items())


def _with(row: Row, following: Row) -> Row:
    assert isinstance(row.teacher, Embedding)
    assert isinstance(following.teacher, Embedding)
    vectors = np.concatenate([row.teacher.vectors, following.teacher.vectors])
    return Row(row.id, row.text, row.label, Embedding(vectors, 0, False), following.text)
