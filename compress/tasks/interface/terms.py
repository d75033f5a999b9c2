"""The words in which tasks are written: kinds of arrays, columns, labels, and what is wrong in a file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from serve.tasks import Answering

if TYPE_CHECKING:
    from tokenizers import Tokenizer

Floats = NDArray[np.float64]
Logits = NDArray[np.float32]
Labels = NDArray[Any]
Bools = NDArray[np.bool_]
Raw = Any  # the labels of one split as they were read, before they have a place among all labels


@dataclass(frozen=True)
class Imitation:
    """How a loss follows a teacher's logits."""

    temperature: float = 1.0  # of kl
    alpha: float = 1.0  # share of the teacher; the rest is the labels'
    loss: Literal["kl", "mse"] = "kl"


class Columns(Protocol):
    """The columns that hold what; see `compress.data.columns.ColumnNames`."""

    @property
    def text(self) -> str:
        """The first or only text."""
        ...

    @property
    def text_pair(self) -> str | None:
        """The second text."""
        ...

    @property
    def label(self) -> str | tuple[str, ...] | None:
        """Of labels; several where each label has a column."""
        ...


class LabelSpace(Protocol):
    """The labels of a data set."""

    @property
    def names(self) -> tuple[str, ...] | None:
        """By number; None where nothing names them."""
        ...

    @property
    def count(self) -> int:
        """Outputs that a model for them has; at least 1."""
        ...

    def ids(self, raw: Raw, split: str) -> Labels:
        """`Rows.labels` of one split; raises `DataError`."""
        ...


class Named(NamedTuple):
    """Where the names of labels may come from, the first that there is."""

    recipe: tuple[str, ...] | None
    file: tuple[str, ...] | None  # labels.json beside the data
    feature: object  # of `datasets`, of the label's column
    columns: tuple[str, ...] = ()  # where each label has a column of 0 and 1


class Reader(Protocol):
    """A model with its tokenizer, as far as a task looks at it: `compress.models.trained.Trained`, which has torch."""

    @property
    def encoder(self) -> Tokenizer:
        """What cuts texts for it."""
        ...

    @property
    def answering(self) -> Answering:
        """How its outputs become answers."""
        ...

    @property
    def labels(self) -> tuple[str, ...]:
        """In the order of its outputs."""
        ...


class Fault(Exception):  # noqa: N818  whoever reads a file says where in it, and raises its own error
    """Something in a file that is no label or answer of this task."""

    def __init__(self, found: str, expected: str, remedy: str | None = None) -> None:
        self.found, self.expected, self.remedy = found, expected, remedy
        super().__init__(found)
