"""Answers of token classification as one array, the entities in it, and both in evaluation.jsonl.

(rows, pieces, 5): first and last character of a piece, its tag, that tag's probability, 1 where it goes on with a word;
padded with -1. Pieces and not words, for the words of a data set are not known to the model that answers.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compress.tasks.interface import Fault, Floats
from compress.tasks.word_pieces import Span, first_pieces, word_groups
from serve.tasks import Answer, Tagging
from serve.tasks.entities import OUTSIDE, kind_of

START, END, TAG, SCORE, CONTINUES = range(5)
_WIDTH = 5
_REBUILD = "make the bundle again with `compress run`, or copy it again from where it was made"

Entity = tuple[str, int, int]  # type, first character, and the one after the last


def stacked(answers: Sequence[Answer], labels: Sequence[str]) -> Floats:
    """The array, its tags in the order of the labels."""
    place = {label: number for number, label in enumerate(labels)}
    found = []
    for answer in answers:
        assert isinstance(answer, Tagging)
        assert answer.pieces is not None
        pieces = answer.pieces
        tags = np.array([place[name] for name in answer.names])
        row = np.full((len(pieces.words), _WIDTH), -1.0)
        if len(row):
            best = pieces.scores.argmax(axis=-1)
            row[:, START], row[:, END] = pieces.starts, pieces.ends
            row[:, TAG], row[:, CONTINUES] = tags[best], pieces.continues
            row[:, SCORE] = pieces.scores[np.arange(len(best)), best]
        found.append(row)
    return padded(found)


def padded(rows: Sequence[NDArray[np.float64]]) -> Floats:
    """Answers of unequal length as one array."""
    found = np.full((len(rows), max(map(len, rows), default=0), _WIDTH), -1.0)
    for array, row in zip(found, rows, strict=True):
        array[: len(row)] = row
    return found


def word_tags(answer: Floats, words: Sequence[Span]) -> NDArray[np.int64]:
    """The tag of each word's first piece, -1 where it has none: (words,)."""
    offsets = answer[:, : END + 1].astype(np.int64).tolist()
    places = np.array(first_pieces(offsets, (answer[:, START] >= 0).tolist(), words), dtype=np.int64)
    if not len(answer):
        return places
    return np.where(places >= 0, answer[np.maximum(places, 0), TAG].astype(np.int64), -1)


def entities(answers: Floats, names: Sequence[str]) -> list[list[Entity]]:
    """What each row is served by the strategy `first`: a word has the tag of its first piece."""
    kinds = [kind_of(name) for name in names]
    found: list[list[Entity]] = []
    for row in answers:
        spans: list[Entity] = []
        before = OUTSIDE
        for first, end in word_groups((row[:, CONTINUES] == 1).tolist()):
            tag = int(row[first, TAG])
            prefix, kind = kinds[tag] if tag >= 0 else ("I", OUTSIDE)
            start, last = int(row[first, START]), int(row[end - 1, END])
            if kind == before != OUTSIDE and prefix != "B":
                spans[-1] = (kind, spans[-1][1], last)
            elif kind != OUTSIDE:
                spans.append((kind, start, last))
            before = kind
        found.append(spans)
    return found


def tell(answer: Floats, names: Sequence[str]) -> dict[str, Any]:
    """One row's entities, and the pieces of words with a tag: [number, start, end, tag, score], and 1 if it goes on."""
    pieces = []
    real = answer[answer[:, SCORE] >= 0]
    for first, end in word_groups((real[:, CONTINUES] == 1).tolist()):
        tags = [names[int(tag)] for tag in real[first:end, TAG]]
        if {*tags} == {OUTSIDE}:
            continue
        for place, tag in zip(range(first, end), tags, strict=True):
            row = real[place]
            told = [place, int(row[START]), int(row[END]), tag, round(float(row[SCORE]), 6)]
            pieces.append([*told, 1] if row[CONTINUES] else told)
    (found,) = entities(answer[None], names)
    return {
        "entities": [{"entity_group": kind, "start": start, "end": end} for kind, start, end in found],
        "pieces": pieces,
    }


def read(told: Any, names: Sequence[str]) -> list[list[float]]:
    """One row as `tell` told it; what was not told is outside of entities. Raises `Fault`."""
    tags = {name: number for number, name in enumerate(names)}
    pieces = told.get("pieces") if isinstance(told, Mapping) else None
    if not isinstance(pieces, list) or not all(_is_piece(one, tags) for one in pieces):
        raise Fault(
            f": the teacher's answer is {str(told)[:60]!r}",
            "[number, start, end, tag, score] for each piece of a word with a tag",
            _REBUILD,
        )
    count = max((one[0] + 1 for one in pieces), default=0)
    found = np.tile(np.array([-1.0, -1.0, tags.get(OUTSIDE, -1), 0.0, 0.0]), (count, 1))
    for number, start, end, tag, sure, *goes_on in pieces:
        found[number] = (start, end, tags[tag], sure, float(bool(goes_on)))
    (made,) = entities(found[None], names)
    given = [(one["entity_group"], one["start"], one["end"]) for one in told.get("entities", ())]
    if given != made:
        raise Fault(
            f": the teacher's entities are {given[:3]}, and its pieces make {made[:3]}",
            "entities that are those of the pieces; labels may stand there in another order",
            _REBUILD,
        )
    return [list(map(float, row)) for row in found.tolist()]


def _is_piece(one: Any, tags: Mapping[str, int]) -> bool:
    return (
        isinstance(one, list)
        and len(one) in (_WIDTH, _WIDTH + 1)
        and all(type(number) is int and number >= 0 for number in one[:3])
        and one[3] in tags
        and isinstance(one[4], int | float)
    )
