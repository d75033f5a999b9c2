"""From what a model says of each token to the parts of a text that answer a question.

Rules are those of the question-answering pipeline of transformers 4 (it left with version 5), which is the reference
that recorded answers in the tests come from.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from tokenizers import Encoding

Floats = NDArray[np.float64]
Places = NDArray[np.int32]

_CONTEXT = 1  # the second of the two texts


class Span(NamedTuple):
    """A part of the context."""

    start: int  # characters of the context
    end: int  # the one after the last
    score: float


@dataclass(frozen=True, slots=True)
class Window:
    """What a model says of the context's tokens in one window."""

    starts: Floats  # the probability that the answer begins with a token, (tokens,)
    ends: Floats  # that it ends with it, (tokens,)
    none: float  # that there is no answer here: both on the window's first token
    tokens: Places  # first character of a token and the one after its last, (tokens, 2)
    words: Places  # the same of the word that it belongs to, as far as the window has it

    @classmethod
    def of(
        cls, window: Encoding, start_logits: NDArray[np.float32], end_logits: NDArray[np.float32]
    ) -> "Window":
        """Probabilities over the tokens that can answer: those of the context, and the first for no answer."""
        inside = context_tokens(window)
        kept = np.concatenate([[0], inside]).astype(np.int64)
        starts, ends = _softmax(start_logits[kept]), _softmax(end_logits[kept])
        offsets, numbers = window.offsets, window.word_ids
        tokens = np.array([offsets[place] for place in inside], np.int32).reshape(-1, 2)
        words = _of_words(tokens, [numbers[place] for place in inside])
        return cls(starts[1:], ends[1:], float(starts[0] * ends[0]), tokens, words)

    def best(self, count: int, longest: int) -> list[tuple[int, int, float]]:
        """The likeliest answers of at most `longest` tokens: first token, last token, probability."""
        tokens = len(self.starts)
        if not tokens:
            return []
        wide = min(longest, tokens)
        ends = np.concatenate([self.ends, np.zeros(wide - 1)])
        flat = (self.starts[:, None] * sliding_window_view(ends, wide)).ravel()
        drawn = np.argpartition(-flat, count)[:count] if count < len(flat) else np.arange(len(flat))
        drawn = drawn[np.lexsort((drawn, -flat[drawn]))]
        found = [(int(place // wide), int(place % wide), float(flat[place])) for place in drawn]
        return [(first, first + more, score) for first, more, score in found if first + more < tokens]


def context_tokens(window: Encoding) -> NDArray[np.int64]:
    """The places of the context's tokens in a window."""
    return np.flatnonzero([number == _CONTEXT for number in window.sequence_ids])


def answer_spans(
    windows: Sequence[Window], context: str, *, count: int, longest: int, whole_words: bool = True
) -> list[Span]:
    """At most `count` parts of the context, the likeliest first; the same words in several places are one answer.

    That one stands where it was first seen and has the sum of their probabilities, as in the pipeline, so that a part
    that two windows share can have more than 1.
    """
    found: dict[str, Span] = {}
    for window in windows:
        places = window.words if whole_words else window.tokens
        for first, last, score in window.best(2 * count + 10 if whole_words else count, longest):
            start, end = int(places[first, 0]), int(places[last, 1])
            key = context[start:end].lower()
            known = found.get(key)
            found[key] = (
                Span(start, end, score) if known is None else known._replace(score=known.score + score)
            )
    return sorted(found.values(), key=lambda span: -span.score)[:count]


def _softmax(logits: NDArray[np.float32]) -> Floats:
    # In float64, so that the likeliest part is found where no answer is far likelier.
    shifted = np.exp(logits.astype(np.float64) - float(logits.max()))
    return np.asarray(shifted / shifted.sum())


def _of_words(tokens: Places, numbers: Sequence[int | None]) -> Places:
    """From the first character of each token's word to its last; of a token in no word its own."""
    found = tokens.copy()
    first = 0
    for place in range(1, len(tokens) + 1):
        if place < len(tokens) and numbers[place] is not None and numbers[place] == numbers[first]:
            continue
        found[first:place] = (tokens[first, 0], tokens[place - 1, 1])
        first = place
    return found
