"""Texts changed as people change them, without another meaning: typing mistakes, case, punctuation. Seeded."""

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from serve.inputs import Input, changed

_WORD = re.compile(r"[^\W\d_]{2,}")
_LONG_WORD = re.compile(r"[^\W\d_]{4,}")
_WORDS_PER_TYPO = 8

Change = Callable[[str, np.random.Generator], str]


def perturb(kind: str, texts: Sequence[Input], seed: int) -> list[Input]:
    """The texts (of a pair both) changed in this way, one of `PERTURBATIONS`; the same seed gives the same changes.

    A text that offers nothing to change (no word, no case) stays as it is.
    """
    generator = np.random.default_rng([seed, list(PERTURBATIONS).index(kind)])
    return [changed(asked, lambda text: PERTURBATIONS[kind](text, generator)) for asked in texts]


def _typos(text: str, generator: np.random.Generator) -> str:
    """One typing mistake for about every eight words, in words of four letters or more where there are any."""
    places = [match.span() for match in _LONG_WORD.finditer(text)]
    places = places or [match.span() for match in _WORD.finditer(text)]
    if not places:
        return text
    count = max(1, len(text.split()) // _WORDS_PER_TYPO)
    chosen = generator.permutation(len(places))[:count]
    for start, end in sorted((places[int(place)] for place in chosen), reverse=True):
        text = text[:start] + _mistyped(text[start:end], generator) + text[end:]
    return text


def _mistyped(word: str, generator: np.random.Generator) -> str:
    """The word with two letters exchanged, one left out or one written twice; its first letter stays, if it can."""
    place = int(generator.integers(1, len(word) - 1)) if len(word) > 2 else 0
    left_out = word[:place] + word[place + 1 :]
    twice = word[: place + 1] + word[place:]
    exchanged = word[:place] + word[place + 1] + word[place] + word[place + 2 :]
    kinds = [left_out, twice] + ([exchanged] if exchanged != word else [])
    return kinds[int(generator.integers(len(kinds)))]


def _case(text: str, generator: np.random.Generator) -> str:
    """All capitals, all small letters, or Every Word With A Capital: one that is not the text itself."""
    return _one_of(
        [text.upper(), text.lower(), " ".join(map(str.capitalize, text.split(" ")))], text, generator
    )


def _punctuation(text: str, generator: np.random.Generator) -> str:
    """Punctuation taken out, exclamation marks at the end, or a comma after every third word."""
    bare = "".join(mark for mark in text if not unicodedata.category(mark).startswith("P"))
    words = text.split(" ")
    commas = " ".join(word + "," * (number % 3 == 0) for number, word in enumerate(words, start=1))
    return _one_of([bare, f"{text}!!!", commas], text, generator)


def _one_of(changed: Sequence[str], text: str, generator: np.random.Generator) -> str:
    others = [one for one in changed if one != text and one.strip()]
    return others[int(generator.integers(len(others)))] if others else text


PERTURBATIONS: Mapping[str, Change] = {"typos": _typos, "case": _case, "punctuation": _punctuation}
