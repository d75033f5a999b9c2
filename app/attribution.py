"""Which words speak for an answer: what its probability, or its number, loses when they are left out.

Leave-one-out, as Li, Monroe and Jurafsky have it ("Understanding Neural Networks through Representation Erasure",
2016, section 3): it asks nothing of a model but answers, so it is the same measure for a PyTorch teacher, an ONNX
student and an endpoint.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from serve.inputs import Input, parts
from serve.predictor import Predictor
from serve.tasks import Answer

_WORD = re.compile(r"\S+")
_MOST_PIECES = 48  # a long text is weighed several words at a time, so that nobody waits


@dataclass(frozen=True, slots=True)
class Piece:
    """A word of the text, or several of a long one."""

    text: str
    weight: float  # what the answer loses without it; below 0: it speaks against it
    place: int = 0  # of the text that it stands in: 0, or 1 for the second of a pair


@dataclass(frozen=True, slots=True)
class Span:
    """Where a piece stands: in which of the texts, and from where to where in it."""

    place: int
    start: int
    end: int


def pieces(asked: Input) -> list[Span]:
    """The pieces of a text, or of both of a pair: words, or as many together as give 48 pieces at most."""
    words = [[word.span() for word in _WORD.finditer(text)] for text in parts(asked)]
    together = 1
    while sum(-(-len(one) // together) for one in words) > _MOST_PIECES:
        together += 1
    return [
        Span(place, group[0][0], group[-1][1])
        for place, found in enumerate(words)
        for group in (found[start : start + together] for start in range(0, len(found), together))
    ]


def without(asked: Input, span: Span) -> Input:
    """What is asked when a piece is left out; the other text of a pair stays as it is."""
    texts = list(parts(asked))
    texts[span.place] = texts[span.place][: span.start] + texts[span.place][span.end :]
    return texts[0] if isinstance(asked, str) else (texts[0], texts[1])


def weigh(predictor: Predictor, asked: Input, strength: Callable[[Input, Answer], float]) -> list[Piece]:
    """The pieces of what is asked, with their weights: as many predictions as pieces, and one.

    `strength` says of an answer, and of what was asked for it, how much there is of what words may speak for.
    """
    spans, texts = pieces(asked), parts(asked)
    inputs = [asked, *(without(asked, span) for span in spans)]
    whole, *shortened = map(strength, inputs, predictor.predict(inputs))
    return [
        Piece(texts[span.place][span.start : span.end], whole - left, span.place)
        for span, left in zip(spans, shortened, strict=True)
    ]


def weightiest(found: Sequence[Piece], count: int = 3) -> list[Piece]:
    """The pieces with the largest weights, whichever their sign."""
    return sorted(found, key=lambda piece: -abs(piece.weight))[:count]
