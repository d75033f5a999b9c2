"""Which words speak for a label: what its probability loses when they are left out.

Leave-one-out, as Li, Monroe and Jurafsky have it ("Understanding Neural Networks through Representation Erasure",
2016, section 3): it asks nothing of a model but answers, so it is the same measure for a PyTorch teacher, an ONNX
student and an endpoint.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from serve.predictor import Predictor

_WORD = re.compile(r"\S+")
_MOST_PIECES = 48  # a long text is weighed several words at a time, so that nobody waits


@dataclass(frozen=True, slots=True)
class Piece:
    """A word of the text, or several of a long one."""

    text: str
    weight: (
        float  # what the label's probability loses without it, -1 to 1; below 0: it speaks against the label
    )


def pieces(text: str) -> list[tuple[int, int]]:
    """Where each piece of the text begins and ends: its words, at most 48 pieces."""
    words = [word.span() for word in _WORD.finditer(text)]
    together = -(-len(words) // _MOST_PIECES) or 1
    groups = (words[start : start + together] for start in range(0, len(words), together))
    return [(group[0][0], group[-1][1]) for group in groups]


def weigh(predictor: Predictor, text: str, label: str) -> list[Piece]:
    """The pieces of a text with their weights for a label: as many predictions as pieces, and one.

    A label that the model does not know has probability 0 throughout.
    """
    spans = pieces(text)
    shortened = [text[:start] + text[end:] for start, end in spans]
    whole, *without = predictor.predict([text, *shortened])
    probability = whole.probabilities.get(label, 0.0)
    return [
        Piece(text[start:end], probability - answer.probabilities.get(label, 0.0))
        for (start, end), answer in zip(spans, without, strict=True)
    ]


def weightiest(found: Sequence[Piece], count: int = 3) -> list[Piece]:
    """The pieces with the largest weights, whichever their sign."""
    return sorted(found, key=lambda piece: -abs(piece.weight))[:count]
