"""What the training loop asks of the rows that it is fed."""

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

from compress.training.lesson import Batch

Example = dict[str, Any]


@runtime_checkable
class TrainingRows(Protocol):
    """A map-style data set that knows how long its rows are and how they become a batch."""

    @property
    def lengths(self) -> list[int]:
        """One number per row; rows of like length are put in one batch."""
        ...

    def collate(self, examples: Sequence[Example]) -> Batch:
        """A batch, padded to its longest row."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Example: ...
