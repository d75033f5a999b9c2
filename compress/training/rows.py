"""What the training loop asks of the rows that it is fed."""

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from compress.training.lesson import Batch

Example = dict[str, Any]


@runtime_checkable
class TrainingRows(Protocol):
    """A map-style data set that knows how long its rows are and how they become a batch."""

    @property
    def lengths(self) -> Sequence[int] | NDArray[np.unsignedinteger[Any]]:
        """One number per row; rows of like length are put in one batch."""
        ...

    @property
    def token_ids(self) -> NDArray[np.int64] | None:
        """The student's token ids that any batch can hold, padding included; None where that is not known."""
        ...

    def begin_epoch(self, epoch: int) -> None:
        """Called as each epoch begins, that of a resumed training too; for rows that change from one to the next."""
        ...

    def collate(self, examples: Sequence[Example]) -> Batch:
        """A batch, padded to its longest row."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Example: ...
