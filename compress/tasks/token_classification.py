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
from compress.tasks.label_cells import cell_labels
from compress.tasks.task import (
    Bools,
    Columns,
    Fault,
    Floats,
    Labels,
    LabelSpace,
    Logits,
    Named,
    Raw,
    Task,
    knows_more_than_chance,
)
from compress.tasks.text_classification import SingleLabel
from compress.tasks.word_pieces import (
    best_windows,
    first_pieces,
    plain_words,
    spans_of,
    window_pieces,
    word_groups,
)
from serve.tasks import Answer, Answering, Read, Tagging, TokenClassification as Answers, Tokens
from serve.tasks.answering import Outputs
from serve.tasks.entities import OUTSIDE, kind_of

if TYPE_CHECKING:
    import datasets
    from torch import Tensor

    from compress.judge.report import Flip
    from compress.models.trained import Trained

NO_ENTITY = "no entity"
_REBUILD = "make the bundle again with `compress run`, or copy it again from where it was made"
_START, _END, _TAG, _SCORE, _CONTINUES = range(5)  # of an answer's pieces
_LOSSES = SingleLabel()  # each word is a row of its own to them

Entity = tuple[str, int, int]  # type, first character, and the one after the last


@dataclass(frozen=True)
class TokenClassification(Task):
    """Labels are (rows, words, 3): first and last character of a word, and its tag; padded with `NO_LABEL`.

    Logits and soft targets are (windows, tokens, labels), NaN where an example is shorter. Answers are (rows, pieces, 5):
    first and last character of a piece, its tag, that tag's probability, 1 where it goes on with a word; padded with -1.
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
        logits = outputs["logits"]
        if not len(logits):
            return np.empty((0, 0, 0), np.float32)
        shape = (len(logits), max(map(len, logits)), logits[0].shape[-1])
        found = np.full(shape, np.nan, dtype=np.float32)
        for row, values in zip(found, logits, strict=True):
            row[: len(values)] = values
        return found

    def outputs_of_targets(self, targets: Logits) -> Outputs:
        """See `Task`."""
        return {"logits": [row[~np.isnan(row).any(axis=-1)] for row in targets]}

    def example_labels(self, asked: Sequence[Tokens], labels: Labels) -> Sequence[Any] | Labels:
        """A tag for each token of a window: those of words on their first pieces, `NO_LABEL` elsewhere."""
        found = []
        for one, row in zip(asked, labels, strict=True):
            tags = row[row[:, 0] >= 0, 2].tolist()
            found += [
                _spread(len(window.ids), zip(places, tags, strict=True))
                for window, places in zip(_windows(one), window_pieces(one, spans_of(row)), strict=True)
            ]
        return found

    def counted(self, asked: Sequence[Tokens], labels: Labels | None) -> list[list[int]]:
        """See `Task`: first pieces of words; of a text without labels those of words and signs as they stand there."""
        found = []
        for one, words in zip(asked, _words(asked, labels), strict=True):
            for window, places in zip(_windows(one), window_pieces(one, words), strict=True):
                row = [0] * len(window.ids)
                for place in places:
                    if place >= 0:
                        row[place] = 1
                found.append(row)
        return found

    def carried_over(
        self, asked: Sequence[Tokens], theirs: Sequence[Tokens], labels: Labels | None, targets: Logits
    ) -> Logits:
        """See `Task`: each word's targets, from the teacher's first piece of it to the student's."""
        firsts = np.cumsum([0, *(len(_windows(one)) for one in theirs)])
        windows = [window for one in asked for window in _windows(one)]
        longest = max((len(window.ids) for window in windows), default=0)
        found = np.full((len(windows), longest, targets.shape[-1]), np.nan, dtype=np.float32)
        at = 0
        for one, other, first, words in zip(asked, theirs, firsts[:-1], _words(asked, labels), strict=True):
            given = best_windows(other, words)
            for places in window_pieces(one, words):
                for place, (window, piece) in zip(places, given, strict=True):
                    if place >= 0 and piece >= 0 and np.isnan(found[at, place, 0]):
                        found[at, place] = targets[first + window, piece]
                at += 1
        return found

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

    def labels_from_teacher(self, rows: Rows, logits: Logits, teacher: Trained) -> Labels:
        """See `Task`: the teacher's tag of every word and sign."""
        from compress.data.tagged_words import padded_words

        asked = _read(teacher, rows)
        found = []
        for words, tags in zip(_words(asked, None), self._word_tags(asked, logits, None), strict=True):
            found.append([(*span, tag) for span, tag in zip(words, tags, strict=True)])
        return padded_words(found)

    def examined(self, labels: Sequence[str], logits: Logits, rows: Rows, teacher: Trained) -> tuple[str, float]:
        """The teacher's entity F1 on the selection rows, which is near 0 for guessing; raises `ModelError`."""
        assert rows.labels is not None
        codes = tag_codes(labels)
        given = np.zeros(rows.labels.shape[:2], dtype=np.int64)
        for row, tags in zip(given, self._word_tags(_read(teacher, rows), logits, rows.labels), strict=True):
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

    def _word_tags(
        self, asked: Sequence[Tokens], logits: Logits, labels: Labels | None
    ) -> list[NDArray[np.int64]]:
        """The tag of every word of every text, from a teacher's logits over its windows."""
        found, first = [], 0
        outside = self._outside
        for one, words in zip(asked, _words(asked, labels), strict=True):
            tags = [
                int(logits[first + window, piece].argmax()) if piece >= 0 else outside
                for window, piece in best_windows(one, words)
            ]
            found.append(np.array(tags, dtype=np.int64))
            first += len(_windows(one))
        return found

    @property
    def _codes(self) -> NDArray[np.int64]:
        return tag_codes(self.names)

    @property
    def _outside(self) -> int:
        return self.names.index(OUTSIDE) if OUTSIDE in self.names else 0

    # Judging

    def stack(self, answers: Sequence[Answer], labels: Sequence[str]) -> Floats:
        """The pieces of each text, (rows, pieces of the longest, 5)."""
        place = {label: number for number, label in enumerate(labels)}
        found = []
        for answer in answers:
            assert isinstance(answer, Tagging)
            assert answer.pieces is not None
            pieces = answer.pieces
            tags = [place[name] for name in answer.names]
            best = pieces.scores.argmax(axis=-1) if len(pieces.words) else np.empty(0, np.int64)
            scores = pieces.scores[np.arange(len(best)), best] if len(best) else np.empty(0)
            columns = (pieces.starts, pieces.ends, [tags[one] for one in best], scores, pieces.continues)
            found.append(np.array(columns, dtype=np.float64).T.reshape(-1, 5))
        return _padded(found)

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
            pieces = answer[:, _START] >= 0
            offsets = answer[:, :_TAG].astype(np.int64).tolist()
            places = np.array(first_pieces(offsets, pieces.tolist(), spans_of(labels)), dtype=np.int64)
            tags = answer[np.maximum(places, 0), _TAG].astype(np.int64) if len(answer) else places
            row[: len(places)] = np.where(places >= 0, codes[np.maximum(tags, 0)], 0)
        return found

    def as_labels(self, answers: Floats) -> Labels:
        """See `Task`: each piece that begins a word, with its tag."""
        from compress.data.tagged_words import padded_words

        begins = (answers[..., _START] >= 0) & (answers[..., _CONTINUES] == 0)
        return padded_words(
            [row[own][:, : _TAG + 1].astype(np.int64).tolist() for row, own in zip(answers, begins, strict=True)]
        )

    def same(self, one: Floats, other: Floats) -> Bools:
        """The very same entities."""
        both = zip(self.entities(one), self.entities(other), strict=True)
        return np.array([set(ours) == set(theirs) for ours, theirs in both], dtype=bool)

    def largest_change(self, one: Floats, other: Floats) -> float:
        """In the probability of a piece's tag."""
        return float(np.abs(one[..., _SCORE] - other[..., _SCORE]).max(initial=0.0))

    def flips(
        self, teacher: Floats, shipped: Floats, labels: Sequence[str]
    ) -> tuple[list[Flip], dict[str, int]]:
        """Entities, not rows: of another type in the same place, missing, or there for nothing; and those of both."""
        from compress.judge.report import Flip as Told

        apart: Counter[tuple[str, str]] = Counter()
        alike: Counter[str] = Counter()
        for theirs, ours in zip(self.entities(teacher), self.entities(shipped), strict=True):
            before, after = ({(start, end): kind for kind, start, end in found} for found in (theirs, ours))
            for span in before.keys() | after.keys():
                pair = before.get(span, NO_ENTITY), after.get(span, NO_ENTITY)
                if pair[0] == pair[1]:
                    alike[pair[0]] += 1
                else:
                    apart[pair] += 1
        flips = [Told(teacher=one, shipped=other, rows=count) for (one, other), count in sorted(apart.items())]
        return sorted(flips, key=lambda flip: -flip.rows), dict(sorted(alike.items()))

    def flip_names(self, labels: Sequence[str]) -> tuple[str, ...]:
        """See `Task`: types of entities."""
        kinds = sorted({kind_of(label)[1] for label in labels} - {OUTSIDE})
        return (*kinds, NO_ENTITY)

    def entities(self, answers: Floats) -> list[list[Entity]]:
        """What each row is served, by the strategy `first`: a word has the tag of its first piece."""
        kinds = [kind_of(name) for name in self.names]
        found: list[list[Entity]] = []
        for row in answers:
            spans: list[Entity] = []
            before = OUTSIDE
            for first, end in word_groups((row[:, _CONTINUES] == 1).tolist()):
                tag = int(row[first, _TAG])
                prefix, kind = kinds[tag] if tag >= 0 else ("I", OUTSIDE)
                start, last = int(row[first, _START]), int(row[end - 1, _END])
                if kind == before != OUTSIDE and prefix != "B":
                    spans[-1] = (kind, spans[-1][1], last)
                elif kind != OUTSIDE:
                    spans.append((kind, start, last))
                before = kind
            found.append(spans)
        return found

    # evaluation.jsonl, and files with labels

    def gathered_labels(self, labels: Sequence[Any]) -> Labels:
        """See `Task`."""
        from compress.data.tagged_words import padded_words

        return padded_words(labels)

    def gathered_answers(self, answers: Sequence[Any]) -> Floats:
        """See `Task`."""
        return _padded([np.array(row, dtype=np.float64).reshape(-1, 5) for row in answers])

    def tell_label(self, label: Any, labels: Sequence[str]) -> Any:
        """Of every word first and last character, and tag."""
        return [[start, end, labels[tag]] for start, end, tag in np.asarray(label).tolist() if start >= 0]

    def read_label(self, told: Any, labels: Sequence[str]) -> Any:
        """See `Task`."""
        place = {label: number for number, label in enumerate(labels)}
        if not isinstance(told, list) or not all(_is_word(one, place) for one in told):
            raise Fault(
                f" has the label {str(told)[:60]!r}",
                f"[start, end, tag] for each word, with tags among {', '.join(labels[:8])}",
            )
        return [(start, end, place[tag]) for start, end, tag in told]

    def file_row(self, row: Mapping[str, object], text: str, label: str | None) -> Mapping[str, object]:
        """See `Task`: words joined, and tags with the places of their words."""
        from compress.data.tagged_words import joined, words_of

        if isinstance(row.get(text), str) and not str(row[text]).lstrip().startswith("["):
            return row
        asked, spans = joined(words_of(row.get(text)))
        if label is None:
            return {**row, text: asked}
        tags = cell_labels(row.get(label))
        if len(tags) != len(spans):
            raise Fault(f"{len(spans)} words and {len(tags)} tags", "a tag for each word", "mend the row")
        return {
            **row,
            text: asked,
            label: [[*span, tag] for span, tag in zip(spans, tags, strict=True)],
        }

    def parse_label(self, cell: Any, labels: Sequence[str], names: dict[str, str]) -> Any:
        """What `file_row` made, its tags in any scheme that is read."""
        from compress.data.tag_schemes import as_iob2, scheme_of
        from compress.errors import DataError

        if not isinstance(cell, list) or not all(isinstance(one, list) and len(one) == 3 for one in cell):
            raise Fault("tags without words", "a list of words and a list of tags", "name both columns in data.columns")
        tags = [names.get(str(tag), str(tag)) for _, _, tag in cell]
        try:
            if scheme_of([*tags, *labels], [tags]) not in {"IOB2", "IOB1"}:
                tags = as_iob2(tags)
        except DataError as error:
            raise Fault(error.found, error.expected, error.remedy) from None
        return self.read_label([[start, end, tag] for (start, end, _), tag in zip(cell, tags, strict=True)], labels)

    def tell_answer(self, answer: Floats, labels: Sequence[str]) -> dict[str, Any]:
        """The entities, and of every word with a tag its pieces: number, first and last character, tag, goes on."""
        task = self.for_labels(labels)
        outside = task._outside
        pieces = []
        real = answer[answer[:, _SCORE] >= 0]
        for first, end in word_groups((real[:, _CONTINUES] == 1).tolist()):
            if (real[first:end, _TAG] == outside).all():
                continue
            for place in range(first, end):
                row = real[place]
                told = [place, int(row[_START]), int(row[_END]), labels[int(row[_TAG])], round(float(row[_SCORE]), 6)]
                pieces.append([*told, 1] if row[_CONTINUES] else told)
        (entities,) = task.entities(answer[None])
        return {
            "entities": [{"entity_group": kind, "start": start, "end": end} for kind, start, end in entities],
            "pieces": pieces,
        }

    def read_answer(self, told: Any, labels: Sequence[str]) -> Any:
        """See `Task`: pieces that were not told are outside of entities; the entities must be those of the pieces."""
        task = self.for_labels(labels)
        place = {label: number for number, label in enumerate(labels)}
        pieces = told.get("pieces") if isinstance(told, Mapping) else None
        if not isinstance(pieces, list) or not all(
            isinstance(one, list) and len(one) in (5, 6) and _is_word(one[1:4], place) for one in pieces
        ):
            raise Fault(
                f": the teacher's answer is {str(told)[:60]!r}",
                "[number, start, end, tag, score] for each piece of a word with a tag",
                _REBUILD,
            )
        count = max((one[0] + 1 for one in pieces), default=0)
        found = np.tile(np.array([-1.0, -1.0, task._outside, 0.0, 0.0]), (count, 1))
        for number, start, end, tag, sure, *goes_on in pieces:
            found[number] = (start, end, place[tag], sure, float(bool(goes_on)))
        (entities,) = task.entities(found[None])
        given = [(one["entity_group"], one["start"], one["end"]) for one in told.get("entities", ())]
        if given != entities:
            raise Fault(
                f": the teacher's entities are {given[:3]}, and its pieces make {entities[:3]}",
                "entities that are those of the pieces; labels may stand there in another order",
                _REBUILD,
            )
        return found.tolist()


def _windows(one: Tokens) -> tuple[Any, ...]:
    assert isinstance(one, Read)
    return one.windows


def _read(teacher: Trained, rows: Rows) -> list[Tokens]:
    """What the teacher reads of these texts."""
    from serve.encoding import cut_into_windows, read

    tokenizer = teacher.encoder
    cut_into_windows(tokenizer, teacher.answering)
    return read(tokenizer, rows.texts, teacher.answering)


def _words(asked: Sequence[Tokens], labels: Labels | None) -> list[list[tuple[int, int]]]:
    """The words of each text: those of its labels, or where it has none as they stand there."""
    found = []
    for number, one in enumerate(asked):
        assert isinstance(one, Read)
        words = [] if labels is None else spans_of(labels[number])
        found.append(words or plain_words(str(one.asked)))
    return found


def _spread(length: int, values: Any) -> list[int]:
    """A list of `NO_LABEL` with these values at these places, the first that is meant for a place."""
    row = [NO_LABEL] * length
    for place, value in values:
        if place >= 0 and row[place] == NO_LABEL:
            row[place] = value
    return row


def _codes_of(labels: Labels, codes: NDArray[np.int64]) -> NDArray[np.int64]:
    tags = labels[..., 2]
    return np.where(tags >= 0, codes[np.maximum(tags, 0)], 0)


def _padded(rows: Sequence[NDArray[np.float64]]) -> Floats:
    found = np.full((len(rows), max(map(len, rows), default=0), 5), -1.0)
    for array, row in zip(found, rows, strict=True):
        array[: len(row)] = row
    return found


def _is_word(one: Any, place: Mapping[str, int]) -> bool:
    return (
        isinstance(one, list | tuple)
        and len(one) == 3
        and all(type(number) is int and number >= 0 for number in one[:2])
        and one[2] in place
    )
