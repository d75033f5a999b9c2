"""Token classification: every word of a text has a tag, and tags make entities.

The data has a column of words and a column of tags, in IOB2 or a scheme that is read as IOB2. A model is asked the text
that the words make; a word's tag stands on its first piece. Scores are seqeval's, of entities whose type, beginning and
end are right; agreement with the teacher is the share of rows with the very same entities.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from compress.data.rows import NO_LABEL, Rows
from compress.errors import ModelError
from compress.judge.entities import tag_codes
from compress.judge.metrics import score
from compress.tasks.interface import (
    Bools,
    Columns,
    Floats,
    Labels,
    LabelSpace,
    Logits,
    Named,
    Raw,
    Reader,
    knows_more_than_chance,
)
from compress.tasks.tag_files import joined_row, parse_words, read_words, tell_words
from compress.tasks.tagged_answers import (
    CONTINUES,
    SCORE,
    START,
    TAG,
    entities,
    padded,
    read,
    stacked,
    tell,
    word_tags,
)
from compress.tasks.task import Task
from compress.tasks.text_classification import SingleLabel
from compress.tasks.word_pieces import spans_of
from compress.tasks.word_targets import (
    carried_targets,
    counted_pieces,
    example_tags,
    padded_targets,
    tags_of_words,
    words_of_texts,
)
from compress.tasks.words import padded_words
from serve.tasks import Answer, Answering, Tokens
from serve.tasks import TokenClassification as Answers
from serve.tasks.answering import Outputs
from serve.tasks.entities import OUTSIDE

if TYPE_CHECKING:
    import datasets
    from torch import Tensor

    from compress.judge.report import Flip

_LOSSES = SingleLabel()  # each word is a row of its own to them


@dataclass(frozen=True)
class TokenClassification(Task):
    """Labels are (rows, words, 3): first and last character of a word, and its tag; padded with `NO_LABEL`.

    Logits and soft targets are (windows, tokens, labels), NaN where an example is shorter. Answers are (rows, pieces,
    5): first and last character of a piece, its tag, that tag's probability, 1 where it goes on with a word; padded
    with -1.
    """

    names: tuple[str, ...] = ()  # of the model's outputs, once they are known

    name: ClassVar[str] = "token-classification"
    problem_type: ClassVar[str | None] = None
    head: ClassVar[str] = "TokenClassification"
    answers_as: ClassVar[type[Answering]] = Answers
    metrics: ClassVar[tuple[str, ...]] = ("entity_f1", "entity_macro_f1")
    agreement_metric: ClassVar[str] = "entity_f1"
    agreement_means: ClassVar[str] = "rows with the same entities as the teacher"
    perturbations: ClassVar[tuple[str, ...]] = ()
    flips_of: ClassVar[Literal["rows", "entities", "labels"]] = "entities"
    head_in_words: ClassVar[str] = "token classification head"
    text_columns: ClassVar[tuple[str, ...]] = ("tokens", "words")
    label_columns: ClassVar[tuple[str, ...]] = ("ner_tags", "tags", "labels", "ner")

    def check_head(self, model: str, outputs: Sequence[str], problem_type: str | None) -> None:
        """See `Task`; the names of its labels must be a tagging scheme that pieces can be put together by."""
        wrong = [name for name in outputs if name != OUTSIDE and not name.startswith(("B-", "I-"))]
        if OUTSIDE in outputs and not wrong:
            return
        raise ModelError(
            f"{model} has the labels {', '.join(outputs[:8])}",
            "the tags of IOB2: O, and B-TYPE and I-TYPE for each type of entity",
            "take a model that was fine-tuned on such tags, or fine-tune it here with teacher.train",
        )

    def for_labels(self, names: Sequence[str]) -> TokenClassification:
        """See `Task`."""
        return replace(self, names=tuple(names))

    # The data

    def read_inputs(self, data: datasets.Dataset, columns: Columns, split: str) -> list[Any]:
        """The words, joined."""
        from compress.data.tagged_words import read_word_texts

        return read_word_texts(data, columns, split)

    def read_labels(self, data: datasets.Dataset, columns: Columns, split: str) -> Raw:
        """Where words stand, and their tags."""
        from compress.data.tagged_words import read_tagged_words

        return read_tagged_words(data, columns, split)

    def is_unlabelled(self, raw: Raw) -> bool:
        """See `Task`: every tag is -1."""
        return all(tag == -1 for tags in raw.tags for tag in tags)

    def label_space(self, named: Named, raw: dict[str, Raw]) -> LabelSpace:
        """See `Task`."""
        from compress.data.tagged_words import gather_tags

        return gather_tags(named, raw)

    def known_space(self, raw: Raw, names: tuple[str, ...] | None, count: int) -> LabelSpace:
        """See `Task`."""
        from compress.data.tag_schemes import scheme_of
        from compress.data.tagged_words import Tags, named_tags

        rows = named_tags(raw, names, "the file")
        return Tags(names or (), names, scheme_of((tag for tags in rows for tag in tags), rows))

    def check_labels(
        self, parts: dict[str, Rows], names: tuple[str, ...] | None, *, declared: bool
    ) -> list[str]:
        """See `Task`: splits without entities, and types that train lacks."""
        from compress.data.tagged_words import check_tags

        return check_tags(parts, names or ())

    def relabelled(self, labels: Labels, output_of: NDArray[np.int64]) -> Labels:
        """See `Task`."""
        mapped = labels.copy()
        tags = labels[..., 2]
        mapped[..., 2] = np.where(tags >= 0, output_of[np.maximum(tags, 0)], tags)
        return mapped

    def no_labels(self, like: Labels, rows: int) -> Labels:
        """See `Task`."""
        return np.full((rows, *like.shape[1:]), NO_LABEL, dtype=like.dtype)

    def has_label(self, labels: Labels) -> Bools:
        """See `Task`."""
        return np.asarray((labels[..., 2] >= 0).any(axis=1))

    # Training

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
        self,
        logits: Tensor,
        teacher_logits: Tensor,
        labels: Tensor | None,
        *,
        temperature: float,
        alpha: float,
        loss: Literal["kl", "mse"] = "kl",
    ) -> Tensor:
        """Hinton's soft targets, or squared differences of logits, of every word; see `Task`."""
        if not len(logits):  # no word begins in these windows
            return logits.sum()
        return _LOSSES.soft_loss(
            logits, teacher_logits, labels, temperature=temperature, alpha=alpha, loss=loss
        )

    def own_loss(self, logits: Tensor, labels: Tensor | None) -> Tensor:
        """See `Task`: summed over words."""
        return _LOSSES.own_loss(logits, labels)

    def selection_score(self, metric: str, labels: Labels, logits: Logits) -> float:
        """See `Task`; labels (windows, tokens), and what is read in two windows counts in both."""
        known = labels >= 0
        gold = np.where(known, self._codes[np.maximum(labels, 0)], 0)
        given = np.where(known, self._codes[logits.argmax(axis=-1)], 0)
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
        gold = _codes_of(rows.labels, codes)
        found = score("entity_f1", gold, given, 1)
        if knows_more_than_chance(found, int((gold % 2 == 1).sum())):
            return "entity_f1", found
        raise ModelError(
            f"the teacher answers at chance: of entities its F1 is {found:.3f} on {len(rows):,} rows",
            "a teacher that knows the task",
            "check that it was fine-tuned on these tags as IOB2, or fine-tune it with teacher.train",
        )

    @property
    def _codes(self) -> NDArray[np.int64]:
        return tag_codes(self.names)

    # Judging

    def stack(self, answers: Sequence[Answer], labels: Sequence[str]) -> Floats:
        """The pieces of each text, (rows, pieces of the longest, 5)."""
        return stacked(answers, labels)

    def gold_marks(self, metric: str, rows: Rows) -> NDArray[Any]:
        """Numbers of tags as `compress.judge.entities` has them, (rows, words)."""
        assert rows.labels is not None
        return _codes_of(rows.labels, self._codes)

    def marks(self, metric: str, answers: Floats, rows: Rows) -> NDArray[Any]:
        """The same of the tags of the words' first pieces, (rows, words)."""
        assert rows.labels is not None
        codes = self._codes
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

    # evaluation.jsonl, and files with labels

    def gathered_labels(self, labels: Sequence[Any]) -> Labels:
        """See `Task`."""
        return padded_words(labels)

    def gathered_answers(self, answers: Sequence[Any]) -> Floats:
        """See `Task`."""
        return padded([np.array(row, dtype=np.float64).reshape(-1, 5) for row in answers])

    def tell_label(self, label: Any, labels: Sequence[str]) -> Any:
        """Of every word first and last character, and tag."""
        return tell_words(label, labels)

    def read_label(self, told: Any, labels: Sequence[str]) -> Any:
        """See `Task`."""
        return read_words(told, labels)

    def file_row(
        self, row: Mapping[str, object], text: str, label: str | None, text_pair: str | None = None
    ) -> Mapping[str, object]:
        """See `Task`: words joined, and tags with the places of their words."""
        return joined_row(row, text, label)

    def parse_label(self, cell: Any, labels: Sequence[str], names: dict[str, str]) -> Any:
        """What `file_row` made."""
        return parse_words(cell, labels, names)

    def tell_answer(self, answer: Floats, labels: Sequence[str]) -> dict[str, Any]:
        """The entities, and the pieces of words with a tag."""
        return tell(answer, labels)

    def read_answer(self, told: Any, labels: Sequence[str]) -> Any:
        """See `Task`; the entities must be those of the pieces."""
        return read(told, labels)


def _read(teacher: Reader, rows: Rows) -> list[Tokens]:
    """What the teacher reads of these texts."""
    from serve.encoding import cut_into_windows, read

    tokenizer = teacher.encoder
    cut_into_windows(tokenizer, teacher.answering)
    return read(tokenizer, rows.texts, teacher.answering)


def _outside(names: Sequence[str]) -> int:
    return list(names).index(OUTSIDE) if OUTSIDE in names else 0


def _codes_of(labels: Labels, codes: NDArray[np.int64]) -> NDArray[np.int64]:
    tags = labels[..., 2]
    return np.where(tags >= 0, codes[np.maximum(tags, 0)], 0)
