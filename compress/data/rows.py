"""Texts with their labels, as every later stage takes them."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from serve.inputs import Input, parts

NO_LABEL = -100  # the label of a text that only a teacher answers; what PyTorch's losses leave out


@dataclass(frozen=True)
class Rows:
    """Texts (or pairs of texts) and, where the data has them, label ids of shape (rows,)."""

    texts: Sequence[Input]
    labels: NDArray[np.int64] | None

    def __len__(self) -> int:
        return len(self.texts)

    def take(self, indices: Sequence[int] | NDArray[np.int64]) -> "Rows":
        """The rows at these places, in this order."""
        labels = None if self.labels is None else self.labels[np.asarray(indices, dtype=np.int64)]
        return Rows([self.texts[int(index)] for index in indices], labels)

    def drawn(self, most: int, seed: int) -> NDArray[np.int64]:
        """The places of at most so many rows, drawn whatever their labels, in rising order."""
        return np.sort(np.random.default_rng(seed).permutation(len(self))[:most]).astype(np.int64)

    def with_labels(self, labels: NDArray[np.int64] | None) -> "Rows":
        """The same texts with other label ids."""
        return Rows(self.texts, labels)

    @property
    def are_pairs(self) -> bool:
        """Two texts are read together."""
        return bool(self.texts) and not isinstance(self.texts[0], str)

    def digest(self) -> str:
        """Hex sha256 over texts and labels, in order."""
        state = hashlib.sha256()
        for asked in self.texts:
            for text in parts(asked):
                encoded = text.encode()
                state.update(len(encoded).to_bytes(8, "little"))
                state.update(encoded)
        if self.labels is not None:
            state.update(self.labels.tobytes())
        return state.hexdigest()


@dataclass(frozen=True)
class Splits:
    """The rows of a run. `validation` selects, `test` is reported and used once, at the end."""

    train: Rows
    validation: Rows
    test: Rows
    label_names: tuple[str, ...] | None  # by id; None where the data gives ids alone, or no labels
    label_count: int  # 0 where the data has no labels
    notes: tuple[str, ...] = field(default=())  # what was decided, for people

    @property
    def is_labelled(self) -> bool:
        """Every split has labels."""
        return self.label_count > 0

    def digest(self) -> str:
        """Hex sha256 over the three splits and the label names."""
        parts = [self.train.digest(), self.validation.digest(), self.test.digest(), repr(self.label_names)]
        return hashlib.sha256("".join(parts).encode()).hexdigest()
