"""The tokens of a vocabulary that are words by themselves, which alone may take another word's place."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer
from transformers import PreTrainedModel

from compress.augment.words import Word, Words, is_content_word

_BEFORE = "a"  # any word: a token that is a word is one piece after it and a space


@dataclass(frozen=True)
class Vocabulary:
    """Whole words of a tokenizer: no pieces of words, special tokens, numbers, signs or function words."""

    ids: NDArray[np.int64]  # (words,), ascending
    surfaces: tuple[str, ...]  # as they are written

    @cached_property
    def row_of_id(self) -> dict[int, int]:
        """The row of a token id."""
        return {int(token): row for row, token in enumerate(self.ids)}

    @cached_property
    def row_of_surface(self) -> dict[str, int]:
        """The row of a written word."""
        return {surface: row for row, surface in enumerate(self.surfaces)}

    def row(self, words: Words, word: Word) -> int | None:
        """The row of a word in a text.

        Byte-level tokenizers have another token for a word that no space precedes; it is found by its letters.
        """
        if word.token is None:
            return None
        row = self.row_of_id.get(words.ids[word.token])
        return self.row_of_surface.get(words.surface(word)) if row is None else row


def read_vocabulary(tokenizer: Tokenizer, limit: int) -> Vocabulary:
    """The whole words among the ids below `limit`, the model's number of embeddings."""
    surfaces = {
        token: tokenizer.decode([token], skip_special_tokens=True).strip()
        for token in sorted(tokenizer.get_vocab().values())
        if token < limit
    }
    words = {token: surface for token, surface in surfaces.items() if is_content_word(surface)}
    spaces = {token for token, surface in surfaces.items() if not surface}  # of sentencepiece

    def pieces(encoding: Encoding) -> list[int]:
        return [token for token in encoding.ids if token not in spaces]

    before = pieces(tokenizer.encode(_BEFORE, add_special_tokens=False))
    encodings = tokenizer.encode_batch(
        [f"{_BEFORE} {surface}" for surface in words.values()], add_special_tokens=False
    )
    kept = {
        token: surface
        for (token, surface), encoding in zip(words.items(), encodings, strict=True)
        if pieces(encoding) == [*before, token]
    }
    return Vocabulary(np.asarray(list(kept), dtype=np.int64), tuple(kept.values()))


def in_the_case_of(written: str, token: str, replacement: str) -> str:
    """The replacement with the capitals of the word in the text, where the tokenizer takes them away.

    `token` is how the vocabulary writes the word. A tokenizer that tells cases apart proposes words with
    the capitals that fit, and these are left as they are.
    """
    if written == token:
        return replacement
    if written.isupper() and len(written) > 1:
        return replacement.upper()
    if written[0].isupper():
        return replacement[0].upper() + replacement[1:]
    return replacement


def embedding_table(model: PreTrainedModel) -> torch.Tensor:
    """The input embeddings, (ids, width), without gradients."""
    table = model.get_input_embeddings().weight
    assert isinstance(table, torch.Tensor)
    return table.detach()
