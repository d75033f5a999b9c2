"""Copies of one text: words substituted or masked, some copies cut down to an n-gram."""

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from compress.augment.options import Augment
from compress.augment.words import Choices, Words

LONGEST_NGRAM = 5  # Tang et al.: n is drawn from 1 to 5
# A draw may leave the text as it is or repeat a copy. The papers count it all the same; trying again is free.
_DRAWS = 3


def copies_of(
    words: Words, choices: Sequence[Choices], mask_token: str | None, options: Augment, seed: int
) -> list[str]:
    """At most `options.copies` texts that differ from this one and from each other.

    `choices` holds for each word those that may take its place. They depend on the text and the seed alone.
    """
    count = len(words.words)
    if count == 0:
        return []
    generator = _generator(words.text, seed)
    draws = options.copies * _DRAWS
    fates = generator.random((draws, count))
    picks = generator.random((draws, count))
    cuts = _cuts(generator, draws, count, options.ngram)
    masks = fates < options.mask
    substitutes = ~masks & (fates < options.mask + options.substitute)
    between = _between(words)
    known = {words.text.strip()}
    copies: list[str] = []
    for draw in range(draws):
        parts = [words.surface(word) for word in words.words]
        for place in np.flatnonzero(substitutes[draw]).tolist():
            if choices[place]:
                parts[place] = choices[place][int(picks[draw, place] * len(choices[place]))]
        for place in np.flatnonzero(masks[draw]).tolist():
            assert mask_token is not None
            parts[place] = mask_token
        first, last = cuts[draw].tolist()
        if masks[draw, first:last].all():
            continue  # masks alone say nothing
        copy = _joined(parts, between, first, last)
        if copy.strip() not in known:
            known.add(copy.strip())
            copies.append(copy)
            if len(copies) == options.copies:
                break
    return copies


def _generator(text: str, seed: int) -> np.random.Generator:
    digest = hashlib.sha256(f"{seed}\n{text}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:16], "little"))


def _cuts(generator: np.random.Generator, draws: int, count: int, probability: float) -> NDArray[np.int64]:
    """First and one past the last word of what stays, (draws, 2)."""
    is_cut = generator.random(draws) < probability
    lengths = np.minimum(generator.integers(1, LONGEST_NGRAM + 1, draws), count)
    first = np.floor(generator.random(draws) * (count - lengths + 1)).astype(np.int64)
    whole = np.asarray([0, count], dtype=np.int64)
    return np.where(is_cut[:, None], np.stack([first, first + lengths], axis=1), whole)


def _between(words: Words) -> list[str]:
    """What stands before, between and after the words: one more than there are words."""
    starts = [word.start for word in words.words] + [len(words.text)]
    ends = [0] + [word.end for word in words.words]
    return [words.text[end:start] for end, start in zip(ends, starts, strict=True)]


def _joined(parts: Sequence[str], between: Sequence[str], first: int, last: int) -> str:
    """Words `first` to `last - 1` with what stands between them; a whole text keeps its ends too."""
    joined = parts[first] + "".join(between[place] + parts[place] for place in range(first + 1, last))
    if first == 0 and last == len(parts):
        return between[0] + joined + between[-1]
    return joined
