"""What a task says of answers to those who judge."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from compress.tasks.interface.terms import Bools, Floats, Labels
from serve.tasks import Answer

if TYPE_CHECKING:
    from compress.data.rows import Rows
    from compress.judge.report import Flip, ReliabilityBin


class JudgingPart(ABC):
    """The part of a task that has to do with answers and marks."""

    metrics: ClassVar[tuple[str, ...]]  # the default first

    @abstractmethod
    def stack(self, answers: Sequence[Answer], labels: Sequence[str]) -> Floats:
        """Answers as one array (rows, ...), in the order of the labels."""

    @abstractmethod
    def gold_marks(self, metric: str, rows: Rows) -> NDArray[Any]:
        """What the metric takes of the rows' labels, (rows, ...)."""

    @abstractmethod
    def marks(self, metric: str, answers: Floats, rows: Rows) -> NDArray[Any]:
        """What the metric takes of answers to these rows, (rows, ...)."""

    def quoted_beside(self, metric: str, rows: Rows, labels: Sequence[str]) -> list[str]:
        """The task's metrics beside this one that mean something on rows with such labels."""
        return [other for other in self.metrics if other != metric]

    @abstractmethod
    def as_labels(self, answers: Floats) -> Labels:
        """Answers in the place of labels."""

    @abstractmethod
    def same(self, one: Floats, other: Floats) -> Bools:
        """Which rows two models answer alike, (rows,): agreement is its share."""

    def changed(self, one: Floats, other: Floats) -> Bools:
        """Which rows got another answer, where the same model was asked in another way."""
        return ~self.same(one, other)

    def largest_change(self, one: Floats, other: Floats) -> float:
        """The most that a number in an answer to any row differs by, between ways of asking."""
        return float(np.abs(one - other).max())

    def right(self, answers: Floats, rows: Rows) -> Bools | None:
        """Which rows are answered rightly, (rows,); None where that is a matter of degree."""
        return None

    def divergence(self, teacher: Floats, shipped: Floats) -> float | None:
        """Mean KL(teacher || shipped) in nats; None where answers are no distributions."""
        return None

    def numbers(self, answers: Floats) -> Floats | None:
        """The number of each answer, (rows,); None where answers are none."""
        return None

    def correlation(self, teacher: Floats, shipped: Floats) -> float | None:
        """Of the numbers of both; None where answers are none."""
        return None

    def likeness(self, teacher: Floats, shipped: Floats) -> float | None:
        """The mean cosine between both models' vectors of the same text; None where there are none to compare."""
        return None

    def confidence(self, answers: Floats) -> Floats | None:
        """Of each row's answer, (rows,); None where answers have none."""
        return None

    def reliability(self, answers: Floats, rows: Rows) -> list[ReliabilityBin]:
        """How far confidence can be relied on; nothing where answers have none."""
        return []

    def flips(
        self, teacher: Floats, shipped: Floats, labels: Sequence[str]
    ) -> tuple[list[Flip], dict[str, int]]:
        """Rows that both answer otherwise by the pair of labels, and rows that both answer with each label."""
        return [], {}
