"""From what a model says of each piece of a text to entities, as transformers' token-classification pipeline does it.

Rules and names are those of its five aggregation strategies (`transformers.pipelines.token_classification`), which is
the reference that tests hold this against.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer

Strategy = Literal["none", "simple", "first", "average", "max"]
STRATEGIES: tuple[Strategy, ...] = ("none", "simple", "first", "average", "max")
OUTSIDE = "O"
_UNKNOWN = ("<unk>", "[UNK]")  # where a tokenizer's model does not name it

Floats = NDArray[np.float32]
Told = dict[str, Any]  # an entity as JSON
Decode = Callable[[list[str]], str]


@dataclass(frozen=True, slots=True)
class Pieces:
    """What a window of a text was cut into, special tokens left out; every field has an element for each piece."""

    words: list[str]  # in the tokenizer's spelling, the text's own where the vocabulary lacks it
    starts: list[int]  # characters of the text
    ends: list[int]
    places: list[int]  # in the window, special tokens counted
    continues: list[bool]  # goes on with the word of the piece before it
    scores: Floats  # probabilities, (pieces, labels)


class Span(NamedTuple):
    """A piece, a word or an entity on its way to be told."""

    label: str
    score: float
    word: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Cutting:
    """How a tokenizer's pieces make words again."""

    prefix: str | None  # of a piece that goes on with a word (##); None where spaces alone tell
    unknown: int | None  # id of the piece that stands for what the vocabulary lacks
    decode: Decode

    @classmethod
    def of(cls, tokenizer: Tokenizer) -> "Cutting":
        """Read from the tokenizer's model and decoder."""
        decoder, model = tokenizer.decoder, tokenizer.model
        names = (getattr(model, "unk_token", None), *_UNKNOWN)
        ids = (tokenizer.token_to_id(name) for name in names if name is not None)
        unknown = next((one for one in ids if one is not None), None)
        decode: Decode = " ".join if decoder is None else decoder.decode
        return cls(getattr(model, "continuing_subword_prefix", None) or None, unknown, decode)

    def pieces(self, text: str, window: Encoding, scores: Floats) -> Pieces:
        """Of one window; `scores` are probabilities, (tokens, labels)."""
        words, kept, continues = [], [], []
        rows = zip(window.tokens, window.offsets, window.special_tokens_mask, strict=True)
        for place, (token, (start, end), special) in enumerate(rows):
            if special:
                continue
            own = text[start:end]
            unknown = window.ids[place] == self.unknown  # some tokenizers show the text's own spelling
            if self.prefix is None:
                goes_on = start > 0 and " " not in text[start - 1 : start + 1]
            else:
                goes_on = len(token) != len(own)
            kept.append(place)
            words.append(own if unknown else token)
            continues.append(goes_on and not unknown)
        offsets = [window.offsets[place] for place in kept]
        starts, ends = [start for start, _ in offsets], [end for _, end in offsets]
        return Pieces(words, starts, ends, kept, continues, scores[kept])


def softmax(logits: Floats) -> Floats:
    """Over the last axis, in float32 as the pipeline reckons it."""
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=-1, keepdims=True))


def entities(
    windows: Sequence[Pieces],
    labels: Sequence[str],
    strategy: Strategy,
    decode: Decode,
    ignored: Sequence[str] = (OUTSIDE,),
) -> list[Told]:
    """The entities of a text in the order of the text, by a strategy other than none.

    Of windows that overlap, of entities that do the longer one counts and of equally long ones the surer.
    """
    found: list[Span] = []
    for window in windows:
        spans = _single(window, labels) if strategy == "simple" else _words(window, labels, strategy, decode)
        found += [one for one in _grouped(spans, decode) if one.label not in ignored]
    if len(windows) > 1:
        found = _without_overlaps(found)
    return [
        {"entity_group": one.label, "score": one.score, "word": one.word, "start": one.start, "end": one.end}
        for one in found
    ]


def single_pieces(window: Pieces, labels: Sequence[str], ignored: Sequence[str] = (OUTSIDE,)) -> list[Told]:
    """Each piece with its label, which is the strategy none."""
    return [
        {
            "entity": one.label,
            "score": one.score,
            "index": place,
            "word": one.word,
            "start": one.start,
            "end": one.end,
        }
        for one, place in zip(_single(window, labels), window.places, strict=True)
        if one.label not in ignored
    ]


def _single(window: Pieces, labels: Sequence[str]) -> list[Span]:
    best = window.scores.argmax(axis=-1) if len(window.words) else []
    return [
        Span(labels[int(label)], float(row[label]), word, start, end)
        for label, row, word, start, end in zip(
            best, window.scores, window.words, window.starts, window.ends, strict=True
        )
    ]


def _words(window: Pieces, labels: Sequence[str], strategy: Strategy, decode: Decode) -> list[Span]:
    """Whole words, each with one label."""
    starts = [place for place, goes_on in enumerate(window.continues) if place == 0 or not goes_on]
    found = []
    for start, end in pairwise([*starts, len(window.words)]):
        rows = window.scores[start:end]
        if strategy == "average":
            row = rows.mean(axis=0)
        else:
            row = rows[0 if strategy == "first" else int(rows.max(axis=-1).argmax())]
        label = int(row.argmax())
        word = decode(window.words[start:end])
        found.append(Span(labels[label], float(row[label]), word, window.starts[start], window.ends[end - 1]))
    return found


def kind_of(label: str) -> tuple[str, str]:
    """The prefix B or I, and the type: without a prefix a label goes on with its like."""
    return (label[0], label[2:]) if label.startswith(("B-", "I-")) else ("I", label)


def _grouped(spans: Sequence[Span], decode: Decode) -> list[Span]:
    """Neighbours of one type as one; a B begins anew."""
    groups: list[list[Span]] = []
    for one in spans:
        prefix, kind = kind_of(one.label)
        if groups and prefix != "B" and kind == kind_of(groups[-1][-1].label)[1]:
            groups[-1].append(one)
        else:
            groups.append([one])
    return [
        Span(
            group[0].label.split("-", 1)[-1],
            float(np.mean([one.score for one in group])),
            decode([one.word for one in group]),
            group[0].start,
            group[-1].end,
        )
        for group in groups
    ]


def _without_overlaps(found: list[Span]) -> list[Span]:
    kept: list[Span] = []
    for one in sorted(found, key=lambda span: span.start):
        if kept and kept[-1].start <= one.start < kept[-1].end:
            before = kept[-1]
            if (one.end - one.start, one.score) > (before.end - before.start, before.score):
                kept[-1] = one
        else:
            kept.append(one)
    return kept


def merged(windows: Sequence[Pieces], first: Sequence[int]) -> Pieces:
    """The pieces of a text once each, those in two windows taken where they stand further from the window's edge.

    `first` is the number that each window's first piece has in the whole text.
    """
    parts: list[tuple[Pieces, int, int]] = []
    begin = 0
    for number, window in enumerate(windows):
        last = number == len(windows) - 1
        shared = 0 if last else first[number] + len(window.words) - first[number + 1]
        end = len(window.words) - shared // 2
        parts.append((window, begin, end))
        begin = 0 if last else end - (first[number + 1] - first[number])
    if len(parts) == 1:
        return windows[0]
    return Pieces(
        [value for one, low, high in parts for value in one.words[low:high]],
        [value for one, low, high in parts for value in one.starts[low:high]],
        [value for one, low, high in parts for value in one.ends[low:high]],
        [value for one, low, high in parts for value in one.places[low:high]],
        [value for one, low, high in parts for value in one.continues[low:high]],
        np.concatenate([one.scores[low:high] for one, low, high in parts]),
    )
