"""What is asked: real rows, rows that are longer than the model reads, and odd ones."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from serve.inputs import Input, characters, parts

LONGEST = 20  # of the real rows these are the longest, the others are drawn
JOINED = 20
TIMES_AS_LONG = 2.2  # as the model reads
SEED = 13

# No empty text: the pipeline of token classification has no answer to it.
ODD = (
    "   ",
    ".",
    "\U0001f469\u200d\U0001f680 flew \U0001f680\U0001f680 \U0001f1f3\U0001f1f1",
    "Cafe\u0301 Mu\u0308nchen na\u00efve",
    "\u05e9\u05dc\u05d5\u05dd \u05e2\u05d5\u05dc\u05dd, \u0645\u0631\u062d\u0628\u0627",
    "\u202eright to left\u202c and back",
    "\u5317\u4eac\u662f\u4e2d\u56fd\u7684\u9996\u90fd\u3002\u6771\u4eac\u30bf\u30ef\u30fc",
    "\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35 \u0928\u092e\u0938\u094d\u0924\u0947",
    "zero\x00width\u200b\ufeff control\x07\x1b[0m",
    "tabs\tand\r\nWindows\r\nline ends\u2028",
    "https://example.org/a?b=c&d=%20#e @someone #tag $9.99 :-)",
    "<b>[CLS]</b> [SEP] [MASK] [PAD]",
    "a" * 3_000,
    "don't " * 400,
    "\u0301" * 300,
)


@dataclass(frozen=True)
class Asked:
    """Rows of one kind."""

    kind: str
    rows: Sequence[Input]


def asked_rows(rows: Sequence[Input], count: int, length: Callable[[str], int], most: int) -> list[Asked]:
    """`count` of the rows, the longest among them; rows joined till a model of `most` tokens cannot read them whole."""
    by_length = sorted(range(len(rows)), key=lambda place: -characters(rows[place]))
    longest = by_length[: min(LONGEST, count)]
    others = np.random.default_rng(SEED).permutation(by_length[len(longest) :])[: count - len(longest)]
    real = [rows[int(place)] for place in sorted([*longest, *others])]
    return [
        Asked("real", real),
        Asked("joined", _joined(rows, length, TIMES_AS_LONG * most)),
        Asked("odd", [_like(rows[0], text) for text in ODD]),
    ]


def _joined(rows: Sequence[Input], length: Callable[[str], int], tokens: float) -> list[Input]:
    """Neighbouring rows as one, of each text of a pair so many tokens."""
    found: list[Input] = []
    taken = 0
    while len(found) < JOINED:
        columns: list[list[str]] = [[] for _ in parts(rows[0])]
        held = 0.0
        while held < tokens:
            texts = parts(rows[taken % len(rows)])
            taken += 1
            for column, text in zip(columns, texts, strict=True):
                column.append(text)
            held += max(1, *map(length, texts)) if len(texts) > 1 else max(1, length(texts[0]))
        whole = [" ".join(column) for column in columns]
        found.append(whole[0] if len(whole) == 1 else (whole[0], whole[1]))
    return found


def _like(row: Input, text: str) -> Input:
    """The text, or where pairs are asked the text beside its own reverse."""
    return text if isinstance(row, str) else (text, text[::-1])
