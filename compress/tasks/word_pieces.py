"""Words of a text and the pieces that a tokenizer cut it into: which piece speaks for which word.

A word's label stands on its first piece (Devlin et al. 2019, section 5.3). Words are known by their characters in the
text, so a student and a teacher that cut words otherwise are aligned by them, and training sees the pieces that serving
sees.
"""

import re
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding

from serve.tasks import Read, Tokens

Span = tuple[int, int]
# Of texts without labels: runs of letters and digits, single characters where no spaces are written, single signs.
_WORD = re.compile("[\u3400-\u9fff\uf900-\ufaff]|[^\\W\u3400-\u9fff\uf900-\ufaff]+|[^\\w\\s]")


def plain_words(text: str) -> list[Span]:
    """The words of a text that nobody split, with punctuation apart, as data sets have it."""
    return [found.span() for found in _WORD.finditer(text)]


def first_pieces(
    offsets: Sequence[Span], counts: Sequence[bool], words: Sequence[Span], *, cut: bool = False
) -> list[int]:
    """For each word the place of its first piece, -1 where it has none; words stand in their order.

    Only pieces that count are looked at. `cut` says that the text begins before these pieces: the rest of a word whose
    beginning is not among them speaks for nothing.
    """
    pieces = [place for place, (start, end) in enumerate(offsets) if counts[place] and end > start]
    found, at = [], 0
    for start, end in words:
        while at < len(pieces) and offsets[pieces[at]][1] <= start:
            at += 1
        here = at < len(pieces) and offsets[pieces[at]][0] < end and end > start
        rest = cut and at == 0 and here and offsets[pieces[0]][0] > start
        found.append(pieces[at] if here and not rest else -1)
    return found


def window_pieces(asked: Tokens, words: Sequence[Span]) -> list[list[int]]:
    """`first_pieces` of each window of a text."""
    assert isinstance(asked, Read)
    return [
        first_pieces(window.offsets, _real(window), words, cut=number > 0)
        for number, window in enumerate(asked.windows)
    ]


def best_windows(asked: Tokens, words: Sequence[Span]) -> list[tuple[int, int]]:
    """For each word the window in which its first piece stands furthest from the edge, and its place there.

    (-1, -1) where no window has it.
    """
    assert isinstance(asked, Read)
    places = window_pieces(asked, words)
    found = []
    for word in range(len(words)):
        here = [
            (min(place, len(asked.windows[window].ids) - 1 - place), -window, place)
            for window, row in enumerate(places)
            if (place := row[word]) >= 0
        ]
        _, window, place = max(here, default=(0, 1, -1))
        found.append((-window, place))
    return found


def _real(window: Encoding) -> list[bool]:
    return [not special for special in window.special_tokens_mask]


def spans_of(labels: NDArray[np.integer]) -> list[Span]:
    """Where the words of one row's labels (words, 3) stand, padding left out."""
    return [(int(start), int(end)) for start, end, _ in labels.tolist() if start >= 0]


def word_groups(continues: Sequence[bool]) -> list[Span]:
    """Runs of pieces that are one word, as places."""
    starts = [place for place, goes_on in enumerate(continues) if place == 0 or not goes_on]
    return list(pairwise([*starts, len(continues)]))
