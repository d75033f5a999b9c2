"""Candidates for a word's place: its nearest neighbours in the teacher's own embedding table."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedModel

from compress.augment.vocabulary import Vocabulary, embedding_table, in_the_case_of
from compress.augment.words import Choices, Words

# Similarities that are held at once, 4 bytes each.
_CELLS = 2**24
# In float32 the order of near ties depends on how a product is cut into blocks, and so on the other words
# asked for. So many more are taken than needed, and ordered by their similarities in float64.
_MARGIN = 16


class Neighbours:
    """For each word the words with the most similar embeddings (cosine), computed once for each word.

    Stands in for the GloVe vectors of TinyBERT's Algorithm 1. All whole words of the vocabulary may be
    chosen, whether or not they occur in the data: the neighbours of a word must not depend on other texts,
    and on SST-2 those that do not occur there are as near in meaning ("picturesque" for "beautiful").
    """

    def __init__(self, model: PreTrainedModel, vocabulary: Vocabulary, count: int) -> None:
        self._vocabulary = vocabulary
        self._count = count
        self._unit = unit_vectors(model, vocabulary)
        self._known: dict[int, Choices] = {}

    def of_words(self, surfaces: Sequence[str]) -> list[Choices]:
        """The neighbours of whole words of the vocabulary, nearest first."""
        rows = [self._vocabulary.row_of_surface[surface] for surface in surfaces]
        self._learn(rows)
        return [self._known[row] for row in rows]

    def __call__(self, texts: Sequence[Words]) -> list[list[Choices]]:
        """For each text and each of its words the words that may take its place; none for most words of many pieces."""
        rows = [[self._vocabulary.row(words, word) for word in words.words] for words in texts]
        self._learn([row for of_text in rows for row in of_text if row is not None])
        return [
            [
                () if row is None else self._written(words.surface(word), row)
                for word, row in zip(words.words, of_text, strict=True)
            ]
            for words, of_text in zip(texts, rows, strict=True)
        ]

    def _written(self, written: str, row: int) -> Choices:
        token = self._vocabulary.surfaces[row]
        if written == token:
            return self._known[row]
        return tuple(in_the_case_of(written, token, surface) for surface in self._known[row])

    def _learn(self, rows: Sequence[int]) -> None:
        new = sorted(set(rows) - self._known.keys())
        step = max(1, _CELLS // max(1, len(self._unit)))
        for start in range(0, len(new), step):
            block = new[start : start + step]
            for row, nearest in zip(block, self._nearest(block), strict=True):
                self._known[row] = self._others(row, nearest)

    def _nearest(self, rows: Sequence[int]) -> NDArray[np.int64]:
        """Rows of the most similar words in order, (rows, about count + margin)."""
        most = min(self._count + _MARGIN, len(self._unit))
        similar = self._unit[rows] @ self._unit.T
        near = np.argpartition(similar, len(self._unit) - most, axis=1)[:, -most:]
        near.sort(axis=1)  # ties go to the lower id
        exact = np.einsum(
            "rd,rkd->rk", self._unit[rows].astype(np.float64), self._unit[near].astype(np.float64)
        )
        return np.take_along_axis(near, np.argsort(-exact, axis=1, kind="stable"), axis=1)

    def _others(self, row: int, nearest: NDArray[np.int64]) -> Choices:
        """Without the word itself and its forms in other capitals."""
        surfaces = self._vocabulary.surfaces
        own = surfaces[row].casefold()
        others = [surfaces[int(near)] for near in nearest if surfaces[int(near)].casefold() != own]
        return tuple(others[: self._count])


def unit_vectors(model: PreTrainedModel, vocabulary: Vocabulary) -> NDArray[np.float32]:
    """The input embeddings of the vocabulary's words, each of length 1: (words, width)."""
    vectors = embedding_table(model).float().cpu().numpy()[vocabulary.ids]
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: NDArray[np.float32] = vectors / np.maximum(lengths, np.finfo(np.float32).tiny)
    return unit
