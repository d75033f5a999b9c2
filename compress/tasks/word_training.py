"""How models learn the tags of words; each word is a row of its own to the losses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from compress.data.rows import Rows
from compress.errors import ModelError
from compress.judge.entities import tag_codes
from compress.judge.metrics import score
from compress.tasks.interface import (
    Floats,
    Imitation,
    Labels,
    Logits,
    Reader,
    TrainingPart,
    knows_more_than_chance,
)
from compress.tasks.tag_judging import codes_of
from compress.tasks.text_classification import SingleLabel
from compress.tasks.word_targets import (
    carried_targets,
    counted_pieces,
    example_tags,
    padded_targets,
    tags_of_words,
    words_of_texts,
)
from compress.tasks.words import padded_words
from serve.tasks import Tokens
from serve.tasks.answering import Outputs
from serve.tasks.entities import OUTSIDE

if TYPE_CHECKING:
    from torch import Tensor

_LOSSES = SingleLabel()


class WordTraining(TrainingPart):
    """Logits are (windows, tokens, labels); to losses (words, labels)."""

    names: tuple[str, ...]  # of the model's outputs

    def soft_targets(self, outputs: Outputs) -> Logits:
        """See `Task`: (windows, tokens of the longest, labels)."""
        return padded_targets(list(outputs["logits"]))

    def average_probabilities(self, logits: Floats, shares: Floats) -> Floats:
        """See `Task`: of each token."""
        return _LOSSES.average_probabilities(logits, shares)

    def outputs_of_targets(self, targets: Logits) -> Outputs:
        """See `Task`."""
        return {"logits": [row[~np.isnan(row).any(axis=-1)] for row in targets]}

    def example_labels(self, asked: Sequence[Tokens], labels: Labels) -> Sequence[Any] | Labels:
        """A tag for each token of a window: those of words on their first pieces, `NO_LABEL` elsewhere."""
        return example_tags(asked, labels)

    def counted(self, asked: Sequence[Tokens], labels: Labels | None) -> list[list[int]]:
        """See `Task`: first pieces of words; of a text without labels those of words and signs as they stand there."""
        return counted_pieces(asked, labels)

    def carried_over(
        self, asked: Sequence[Tokens], theirs: Sequence[Tokens], labels: Labels | None, targets: Logits
    ) -> Logits:
        """See `Task`: each word's targets, from the teacher's first piece of it to the student's."""
        return carried_targets(asked, theirs, labels, targets)

    def gathered(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """See `Task`: labels and soft targets of the tokens that count, one row each."""
        found = dict(batch)
        if "counted" not in batch:
            return found
        counts = batch["counted"].bool()
        for name in ("labels", "teacher_logits"):
            if name in batch:
                found[name] = batch[name][counts]
        return found

    def of_counted(self, logits: Tensor, batch: Mapping[str, Tensor]) -> Tensor:
        """See `Task`: (tokens that count, labels)."""
        return logits[batch["counted"].bool()] if "counted" in batch else logits

    def hard_loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Cross-entropy, mean over words; see `Task`."""
        return _LOSSES.hard_loss(logits, labels) if len(labels) else logits.sum()

    def soft_loss(
        self, logits: Tensor, teacher_logits: Tensor, labels: Tensor | None, how: Imitation
    ) -> Tensor:
        """Hinton's soft targets, or squared differences of logits, of every word; see `Task`."""
        if not len(logits):  # no word begins in these windows
            return logits.sum()
        return _LOSSES.soft_loss(logits, teacher_logits, labels, how)

    def own_loss(self, logits: Tensor, labels: Tensor | None) -> Tensor:
        """See `Task`: summed over words."""
        return _LOSSES.own_loss(logits, labels)

    def selection_score(self, metric: str, labels: Labels, logits: Logits) -> float:
        """See `Task`; labels (windows, tokens), and what is read in two windows counts in both."""
        known = labels >= 0
        gold = np.where(known, tag_codes(self.names)[np.maximum(labels, 0)], 0)
        given = np.where(known, tag_codes(self.names)[logits.argmax(axis=-1)], 0)
        # First pieces stand next to each other only where what lies between them is taken out.
        order = np.argsort(~known, axis=1, kind="stable")
        gold, given = (np.take_along_axis(codes, order, axis=1) for codes in (gold, given))
        return score(metric, gold, given, 1)

    def labels_from_teacher(self, rows: Rows, logits: Logits, teacher: Reader) -> Labels:
        """See `Task`: the teacher's tag of every word and sign."""
        asked = _read(teacher, rows)
        both = zip(
            words_of_texts(asked, None),
            tags_of_words(asked, logits, None, _outside(teacher.labels)),
            strict=True,
        )
        return padded_words([[(*span, tag) for span, tag in zip(*one, strict=True)] for one in both])

    def examined(
        self, labels: Sequence[str], logits: Logits, rows: Rows, teacher: Reader
    ) -> tuple[str, float]:
        """The teacher's entity F1 on the selection rows, which is near 0 for guessing; raises `ModelError`."""
        assert rows.labels is not None
        codes = tag_codes(labels)
        given = np.zeros(rows.labels.shape[:2], dtype=np.int64)
        tagged = tags_of_words(_read(teacher, rows), logits, rows.labels, _outside(labels))
        for row, tags in zip(given, tagged, strict=True):
            row[: len(tags)] = codes[tags]
        gold = codes_of(rows.labels, codes)
        found = score("entity_f1", gold, given, 1)
        if knows_more_than_chance(found, int((gold % 2 == 1).sum())):
            return "entity_f1", found
        raise ModelError(
            f"the teacher answers at chance: of entities its F1 is {found:.3f} on {len(rows):,} rows",
            "a teacher that knows the task",
            "check that it was fine-tuned on these tags as IOB2, or fine-tune it with teacher.train",
        )


def _read(teacher: Reader, rows: Rows) -> list[Tokens]:
    """What the teacher reads of these texts."""
    from serve.encoding import cut_into_windows, read

    tokenizer = teacher.encoder
    cut_into_windows(tokenizer, teacher.answering)
    return read(tokenizer, rows.texts, teacher.answering)


def _outside(names: Sequence[str]) -> int:
    return list(names).index(OUTSIDE) if OUTSIDE in names else 0
