"""What models learn of words: tags and a teacher's logits, on the first piece of each, in every window that has it."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding

from compress.data.rows import NO_LABEL
from compress.tasks.interface import Labels, Logits
from compress.tasks.word_pieces import Span, best_windows, plain_words, spans_of, window_pieces
from serve.tasks import Read, Tokens
from serve.tasks.answering import Array


def padded_targets(logits: Array | Sequence[Array]) -> Logits:
    """Logits (tokens, labels) of each window as one array, NaN where a window is shorter than the longest."""
    if not len(logits):
        return np.empty((0, 0, 0), np.float32)
    shape = (len(logits), max(map(len, logits)), logits[0].shape[-1])
    found = np.full(shape, np.nan, dtype=np.float32)
    for row, values in zip(found, logits, strict=True):
        row[: len(values)] = values
    return found


def words_of_texts(asked: Sequence[Tokens], labels: Labels | None) -> list[list[Span]]:
    """The words of each text: those of its labels, or where it has none as they stand there."""
    found = []
    for number, one in enumerate(asked):
        assert isinstance(one, Read)
        words = [] if labels is None else spans_of(labels[number])
        found.append(words or plain_words(str(one.asked)))
    return found


def example_tags(asked: Sequence[Tokens], labels: Labels) -> list[list[int]]:
    """For each window a tag for each token: those of words on their first pieces, `NO_LABEL` elsewhere."""
    found = []
    for one, row in zip(asked, labels, strict=True):
        tags = row[row[:, 0] >= 0, 2].tolist()
        for window, places in zip(_windows(one), window_pieces(one, spans_of(row)), strict=True):
            own = [NO_LABEL] * len(window.ids)
            for place, tag in zip(places, tags, strict=True):
                if place >= 0 and own[place] == NO_LABEL:  # of words in one piece the first
                    own[place] = tag
            found.append(own)
    return found


def counted_pieces(asked: Sequence[Tokens], labels: Labels | None) -> list[list[int]]:
    """For each window 1 for each token that is the first piece of a word, else 0."""
    found = []
    for one, words in zip(asked, words_of_texts(asked, labels), strict=True):
        for window, places in zip(_windows(one), window_pieces(one, words), strict=True):
            counts = {*places}
            found.append([int(place in counts) for place in range(len(window.ids))])
    return found


def carried_targets(
    asked: Sequence[Tokens], theirs: Sequence[Tokens], labels: Labels | None, targets: Logits
) -> Logits:
    """Targets of each word at the teacher's first piece of it, put at the student's; NaN elsewhere."""
    firsts = np.cumsum([0, *(len(_windows(one)) for one in theirs)])
    windows = [window for one in asked for window in _windows(one)]
    longest = max((len(window.ids) for window in windows), default=0)
    found = np.full((len(windows), longest, targets.shape[-1]), np.nan, dtype=np.float32)
    at = 0
    words_of = words_of_texts(asked, labels)
    for one, other, first, words in zip(asked, theirs, firsts[:-1], words_of, strict=True):
        given = best_windows(other, words)
        for places in window_pieces(one, words):
            for place, (window, piece) in zip(places, given, strict=True):
                if place >= 0 and piece >= 0 and np.isnan(found[at, place, 0]):
                    found[at, place] = targets[first + window, piece]
            at += 1
    return found


def tags_of_words(
    asked: Sequence[Tokens], logits: Logits, labels: Labels | None, outside: int
) -> list[NDArray[np.int64]]:
    """The most probable tag of every word of every text, from logits over its windows; `outside` without a piece."""
    found, first = [], 0
    for one, words in zip(asked, words_of_texts(asked, labels), strict=True):
        tags = [
            int(logits[first + window, piece].argmax()) if piece >= 0 else outside
            for window, piece in best_windows(one, words)
        ]
        found.append(np.array(tags, dtype=np.int64))
        first += len(_windows(one))
    return found


def _windows(one: Tokens) -> tuple[Encoding, ...]:
    assert isinstance(one, Read)
    return one.windows
