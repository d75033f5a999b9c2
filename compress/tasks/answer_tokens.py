"""What models learn of answers: on which tokens of each window one begins and ends, and a teacher's logits there.

Answers are known by their characters in the context, so that a student and a teacher that cut texts otherwise are
aligned by them, and training sees the windows that serving sees.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding

from compress.data.rows import NO_LABEL
from compress.tasks.interface import Labels, Logits
from compress.tasks.word_targets import padded_targets
from serve.tasks import Read, Tokens
from serve.tasks.spans import context_tokens

Floats = NDArray[np.float64]
# What a token is in an example's labels, beside `NO_LABEL` where no answer can begin or end.
BEGINS, ENDS = 1, 2
FIRST = 0  # the token that says that the window has no answer
_LESS = 10.0  # by which a token that a teacher has no logit for is below the least of its window


@dataclass(frozen=True)
class Pieces:
    """The context's tokens in one window."""

    places: NDArray[np.int64]  # in the window, (tokens,)
    starts: NDArray[np.int64]  # first character, (tokens,)
    ends: NDArray[np.int64]  # the one after the last, (tokens,)
    low: int  # characters that the window reads: from here
    high: int  # to here

    def tokens_of(self, start: int, end: int) -> tuple[int, int] | None:
        """First and last token of a part of the context, as places in the window; None where it is not all there."""
        if not (self.low <= start < end <= self.high):
            return None
        inside = np.flatnonzero((self.ends > start) & (self.starts < end))
        return None if not len(inside) else (int(self.places[inside[0]]), int(self.places[inside[-1]]))


def pieces_of(one: Tokens) -> list[Pieces]:
    """Of each window of a question with its context."""
    assert isinstance(one, Read)
    found = []
    for number, window in enumerate(one.windows):
        places = context_tokens(window)
        given = window.offsets
        offsets = np.array([given[place] for place in places], dtype=np.int64).reshape(-1, 2)
        low = 0 if number == 0 or not len(places) else int(offsets[0, 0])
        last = number == len(one.windows) - 1 or not len(places)
        high = len(one.asked[1]) if last else int(offsets[-1, 1])
        found.append(Pieces(places, offsets[:, 0], offsets[:, 1], low, high))
    return found


def answer_labels(asked: Sequence[Tokens], labels: Labels) -> list[list[int]]:
    """For each window a number for each token: `BEGINS` and `ENDS` of the first answer, 0 elsewhere in the context.

    Both stand on the first token where the window does not have the whole answer, or there is none.
    """
    found = []
    for one, row in zip(asked, labels, strict=True):
        start, end = map(int, row[0])
        for window, pieces in _windows(one):
            own = np.full(len(window.ids), NO_LABEL, dtype=np.int64)
            own[[FIRST, *pieces.places]] = 0
            if start >= 0:
                first, last = pieces.tokens_of(start, end) or (FIRST, FIRST)
                own[first] |= BEGINS
                own[last] |= ENDS
            found.append(own.tolist())
    return found


def counted_tokens(asked: Sequence[Tokens]) -> list[list[int]]:
    """For each window 1 for each token of the context and for the first, else 0: what an answer is chosen among."""
    found = []
    for one in asked:
        for window, pieces in _windows(one):
            own = np.zeros(len(window.ids), dtype=np.int64)
            own[[FIRST, *pieces.places]] = 1
            found.append(own.tolist())
    return found


def token_counts(asked: Sequence[Tokens], labels: Labels) -> list[int]:
    """Of every answer that some window has, how many tokens it has."""
    found = []
    for one, row in zip(asked, labels, strict=True):
        windows = pieces_of(one)
        for start, end in row.tolist():
            spans = (pieces.tokens_of(start, end) for pieces in windows)
            span = next((span for span in spans if span is not None), None)
            if span is not None:
                found.append(span[1] - span[0] + 1)
    return found


def carried_logits(asked: Sequence[Tokens], theirs: Sequence[Tokens], targets: Logits) -> Logits:
    """A teacher's logits (windows, tokens, 2) for the tokens of a student that reads `asked`; NaN beside the context.

    Each window learns from the teacher's window that reads most of it. An answer may begin with a token in which one
    of the teacher's tokens begins, and the same of its end; where several do, their probabilities are added.
    """
    found = []
    at = 0
    for one, other in zip(asked, theirs, strict=True):
        given = pieces_of(other)
        for window, pieces in _windows(one):
            shared = [min(pieces.high, its.high) - max(pieces.low, its.low) for its in given]
            nearest = int(np.argmax(shared))
            logits = targets[at + nearest]
            own = np.full((len(window.ids), 2), np.nan, dtype=np.float32)
            own[FIRST] = logits[FIRST]
            its = given[nearest]
            own[pieces.places, 0] = _gathered(pieces, its.starts, logits[its.places, 0])
            own[pieces.places, 1] = _gathered(pieces, its.ends - 1, logits[its.places, 1])
            found.append(own)
        at += len(given)
    return padded_targets(found)


def best_token_spans(
    logits: Logits, allowed: NDArray[np.bool_], longest: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First and last token of each window's likeliest answer, (windows,) each; (0, 0) says that there is none.

    `logits` are (windows, tokens, 2), `allowed` (windows, tokens); an answer has at most `longest` tokens.
    """
    starts, ends = (np.where(allowed, logits[..., column], -np.inf) for column in (0, 1))
    best = starts[:, FIRST] + ends[:, FIRST]
    first, last = np.zeros(len(logits), dtype=np.int64), np.zeros(len(logits), dtype=np.int64)
    starts[:, FIRST], ends[:, FIRST] = -np.inf, -np.inf
    for more in range(min(longest, logits.shape[1])):
        scores = starts[:, : starts.shape[1] - more] + ends[:, more:]
        place = scores.argmax(axis=1)
        score = scores[np.arange(len(scores)), place]
        better = score > best
        best = np.where(better, score, best)
        first, last = np.where(better, place, first), np.where(better, place + more, last)
    return first, last


def _gathered(
    pieces: Pieces, characters: NDArray[np.int64], logits: NDArray[np.float32]
) -> NDArray[np.float32]:
    """The logarithm of the sum of what stands at the `characters` in each piece, (tokens,)."""
    floor = float(logits.min(initial=0.0)) - _LESS
    found = np.full(len(pieces.places), floor, dtype=np.float64)
    for character, logit in zip(characters, logits, strict=True):
        inside = np.flatnonzero((pieces.starts <= character) & (character < pieces.ends))[:1]
        found[inside] = np.logaddexp(found[inside], float(logit))
    return found.astype(np.float32)


def _windows(one: Tokens) -> Iterator[tuple[Encoding, Pieces]]:
    assert isinstance(one, Read)
    return zip(one.windows, pieces_of(one), strict=True)
