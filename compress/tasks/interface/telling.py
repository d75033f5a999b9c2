"""How a task writes labels and answers into files, and reads them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from compress.tasks.interface.terms import Floats, Labels


class TellingPart(ABC):
    """The part of a task that has to do with evaluation.jsonl and with files of users."""

    def gathered_labels(self, labels: Sequence[Any]) -> Labels:
        """`Rows.labels` of what `read_label` or `parse_label` gave row by row."""
        return np.asarray(labels, dtype=np.int64)

    def gathered_answers(self, answers: Sequence[Any]) -> Floats:
        """What `stack` would have given of what `read_answer` gave row by row."""
        return np.asarray(answers, dtype=np.float64)

    @abstractmethod
    def tell_label(self, label: Any, labels: Sequence[str]) -> Any:
        """One row's label as JSON."""

    @abstractmethod
    def read_label(self, told: Any, labels: Sequence[str]) -> Any:
        """One row's label, an element of `Rows.labels`; raises `Fault`."""

    def file_row(
        self, row: Mapping[str, object], text: str, label: str | None, text_pair: str | None = None
    ) -> Mapping[str, object]:
        """A row of a user's file with its texts and a label in these columns; raises `Fault`."""
        return row

    @abstractmethod
    def parse_label(self, cell: Any, labels: Sequence[str], names: dict[str, str]) -> Any:
        """One row's label in a file of a user: a cell or JSON; `names` by number. Raises `Fault`."""

    @abstractmethod
    def tell_answer(self, answer: Floats, labels: Sequence[str]) -> dict[str, Any]:
        """One row's answer as JSON."""

    @abstractmethod
    def read_answer(self, told: Any, labels: Sequence[str]) -> Any:
        """One row's answer, an element of what `stack` gives; raises `Fault`."""
