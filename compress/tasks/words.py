"""Rows of words as texts, and the words' places in them.

A model is asked texts, so the words are joined with a space, and each is known by its first and last character there.
"""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from compress.data.rows import NO_LABEL
from compress.tasks.interface import Fault, Labels
from compress.tasks.label_cells import cell_labels
from compress.tasks.word_pieces import Span

# Chinese and Japanese with their punctuation, which are written without spaces; data sets of them have a character for
# a word.
_NO_SPACES = re.compile("[\u3000-\u30ff\u3400-\u9fff\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff]")


def joined(words: Sequence[str]) -> tuple[str, list[Span]]:
    """The text that the words make, and where each of them stands in it.

    A space stands between two words, but none between two that are written without.
    """
    text = ""
    spans: list[Span] = []
    for word in words:
        together = text and word and _NO_SPACES.match(text[-1]) and _NO_SPACES.match(word[0])
        if spans and not together:
            text += " "
        spans.append((len(text), len(text) + len(word)))
        text += word
    return text, spans


def words_of(cell: Any) -> list[str]:
    """The words in a cell, a list or a list as JSON; raises `Fault`."""
    try:
        words = cell_labels(cell) if isinstance(cell, list | str) else None
    except Fault:
        words = None
    if words is None or not all(isinstance(word, str) for word in words):
        raise Fault(
            "no list of words",
            'a list of words, in a csv file as JSON: ["Ada", "met", "Grace"]',
            "set data.columns.text to the column of words",
        )
    return words


def padded_words(rows: Sequence[Sequence[Sequence[int]]]) -> Labels:
    """Rows of (start, end, tag) as one array, int32 (rows, words of the longest, 3), padded with `NO_LABEL`."""
    found = np.full((len(rows), max(map(len, rows), default=0), 3), NO_LABEL, dtype=np.int32)
    for array, row in zip(found, rows, strict=True):
        if row:
            array[: len(row)] = row
    return found
