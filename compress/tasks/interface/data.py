"""How a task reads texts and labels."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from compress.tasks.interface.terms import Bools, Columns, Labels, LabelSpace, Named, Raw

if TYPE_CHECKING:
    import datasets

    from compress.data.rows import Rows, Splits
    from serve.inputs import Input


class DataPart(ABC):
    """The part of a task that has to do with data sets."""

    def read_inputs(self, data: datasets.Dataset, columns: Columns, split: str) -> list[Input]:
        """The texts of one split, or the pairs; raises `DataError`."""
        from compress.data.columns import read_inputs

        return read_inputs(data, columns, split)

    @abstractmethod
    def read_labels(self, data: datasets.Dataset, columns: Columns, split: str) -> Raw:
        """The labels of one split; raises `DataError`."""

    def is_unlabelled(self, raw: Raw) -> bool:
        """The split says by its labels that it has none: every one is -1."""
        return isinstance(raw, np.ndarray) and bool((raw == -1).all())

    @abstractmethod
    def label_space(self, named: Named, raw: dict[str, Raw]) -> LabelSpace:
        """The labels of all splits (`raw` by part); raises `DataError`."""

    @abstractmethod
    def known_space(self, raw: Raw, names: tuple[str, ...] | None, count: int) -> LabelSpace:
        """The labels that the data was found to have, for the labels of a further file."""

    @abstractmethod
    def check_labels(
        self, parts: dict[str, Rows], names: tuple[str, ...] | None, *, declared: bool
    ) -> list[str]:
        """Refuse labels that nothing can be learnt or said about; returns warnings. `declared`: by the recipe."""

    def kept(self, rows: Rows) -> Rows:
        """The rows of a split without those that the data was read without."""
        return rows

    def labelled_for(self, metric: str, splits: Splits) -> Splits:
        """The splits with the labels that the metric takes for granted, where the data says none."""
        return splits

    def relabelled(self, labels: Labels, output_of: NDArray[np.int64]) -> Labels:
        """The labels in the order of a model's outputs: `output_of` says for each label of the data which it is.

        Asked only where outputs stand for labels.
        """
        raise NotImplementedError

    @abstractmethod
    def no_labels(self, like: Labels, rows: int) -> Labels:
        """Labels that say of so many rows that only a teacher answers them."""

    @abstractmethod
    def has_label(self, labels: Labels) -> Bools:
        """Which rows have one, (rows,)."""
