"""Tags of words as the metrics take them, entities, and where two models find others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from compress.judge.entities import tag_codes
from compress.tasks.interface import Bools, Floats, JudgingPart, Labels
from compress.tasks.tagged_answers import CONTINUES, SCORE, START, TAG, entities, stacked, word_tags
from compress.tasks.word_pieces import spans_of
from compress.tasks.words import padded_words
from serve.tasks import Answer

if TYPE_CHECKING:
    from compress.data.rows import Rows
    from compress.judge.report import Flip


class TagJudging(JudgingPart):
    """Answers are the pieces of each text, (rows, pieces, 5), as `compress.tasks.tagged_answers` has them."""

    names: tuple[str, ...]  # of the model's outputs

    def stack(self, answers: Sequence[Answer], labels: Sequence[str]) -> Floats:
        """The pieces of each text, (rows, pieces of the longest, 5)."""
        return stacked(answers, labels)

    def gold_marks(self, metric: str, rows: Rows) -> NDArray[Any]:
        """Numbers of tags as `compress.judge.entities` has them, (rows, words)."""
        assert rows.labels is not None
        return codes_of(rows.labels, tag_codes(self.names))

    def marks(self, metric: str, answers: Floats, rows: Rows) -> NDArray[Any]:
        """The same of the tags of the words' first pieces, (rows, words)."""
        assert rows.labels is not None
        codes = tag_codes(self.names)
        found = np.zeros(rows.labels.shape[:2], dtype=np.int64)
        for row, labels, answer in zip(found, rows.labels, answers, strict=True):
            tags = word_tags(answer, spans_of(labels))
            row[: len(tags)] = np.where(tags >= 0, codes[tags], 0)
        return found

    def as_labels(self, answers: Floats) -> Labels:
        """See `Task`: each piece that begins a word, with its tag."""
        begins = (answers[..., START] >= 0) & (answers[..., CONTINUES] == 0)
        return padded_words(
            [
                row[own][:, : TAG + 1].astype(np.int64).tolist()
                for row, own in zip(answers, begins, strict=True)
            ]
        )

    def same(self, one: Floats, other: Floats) -> Bools:
        """The very same entities."""
        both = zip(entities(one, self.names), entities(other, self.names), strict=True)
        return np.array([set(ours) == set(theirs) for ours, theirs in both], dtype=bool)

    def largest_change(self, one: Floats, other: Floats) -> float:
        """In the probability of a piece's tag."""
        return float(np.abs(one[..., SCORE] - other[..., SCORE]).max(initial=0.0))

    def flips(
        self, teacher: Floats, shipped: Floats, labels: Sequence[str]
    ) -> tuple[list[Flip], dict[str, int]]:
        """Entities, not rows: of another type in the same place, missing, or there for nothing; and those of both."""
        from compress.judge.report import NO_ENTITY
        from compress.judge.report import Flip as Told

        apart: Counter[tuple[str, str]] = Counter()
        alike: Counter[str] = Counter()
        for theirs, ours in zip(entities(teacher, self.names), entities(shipped, self.names), strict=True):
            before, after = ({(start, end): kind for kind, start, end in found} for found in (theirs, ours))
            for span in before.keys() | after.keys():
                pair = before.get(span, NO_ENTITY), after.get(span, NO_ENTITY)
                if pair[0] == pair[1]:
                    alike[pair[0]] += 1
                else:
                    apart[pair] += 1
        flips = [
            Told(teacher=one, shipped=other, rows=count) for (one, other), count in sorted(apart.items())
        ]
        return sorted(flips, key=lambda flip: -flip.rows), dict(sorted(alike.items()))


def codes_of(labels: Labels, codes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Of the words of each row, (rows, words); 0, outside, where there is none."""
    tags = labels[..., 2]
    return np.where(tags >= 0, codes[np.maximum(tags, 0)], 0)
