"""Regression: a number for each text, or for each pair of texts, on the scale of its labels.

Agreement with the teacher is the share of rows whose number lies within `TOLERANCE` of the labels' range from the
teacher's: 0.25 on stsb's scale from 0 to 5, about what two people differ by who rate the same pair.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from compress.data.rows import Rows
from compress.errors import DataError, ModelError
from compress.judge.metrics import score
from compress.tasks.interface import (
    Bools,
    Columns,
    Fault,
    Floats,
    Imitation,
    Labels,
    LabelSpace,
    Logits,
    Named,
    Raw,
    knows_more_than_chance,
)
from compress.tasks.task import Task
from serve.tasks import Answer, Answering
from serve.tasks import Regression as Answers

if TYPE_CHECKING:
    import datasets
    from torch import Tensor

TOLERANCE = 0.05  # of the range of the labels
_REBUILD = "make the bundle again with `compress run`, or copy it again from where it was made"


@dataclass(frozen=True)
class Numbers:
    """The labels of a regression: a `LabelSpace` without names."""

    names: tuple[str, ...] | None = None
    count: int = 1

    def ids(self, raw: Raw, split: str) -> Labels:
        """The numbers themselves."""
        return np.asarray(raw, dtype=np.float32)


def range_of(labels: Labels | None) -> tuple[float | None, float | None]:
    """The lowest and the highest number; None where there is none."""
    if labels is None or np.isnan(labels).all():
        return None, None
    return float(np.nanmin(labels)), float(np.nanmax(labels))


@dataclass(frozen=True)
class Regression(Task):
    """Labels are numbers (rows,), NaN where there is none; logits, answers and soft targets are (rows, 1)."""

    low: float | None = None  # the range of train's labels
    high: float | None = None

    problem_type: ClassVar[str | None] = "regression"
    answers_as: ClassVar[type[Answering]] = Answers
    metrics: ClassVar[tuple[str, ...]] = ("pearson", "spearman")
    agreement_metric: ClassVar[str] = "pearson"
    agreement_means: ClassVar[str] = (
        f"rows within {TOLERANCE:.0%} of the labels' range of the teacher's number"
    )
    head_in_words: ClassVar[str] = "regression head"
    names_outputs: ClassVar[bool] = False
    output_names: ClassVar[tuple[str, ...]] = ("LABEL_0",)  # transformers' own name for it
    asked_by: ClassVar[str] = "problem_type: regression"  # in a recipe

    def check_head(self, model: str, outputs: Sequence[str], problem_type: str | None) -> None:
        """See `Task`; one output alone does not say whether a sigmoid belongs on it."""
        if len(outputs) == 1 and problem_type == self.problem_type:
            return
        raise ModelError(
            f"{model} has {len(outputs)} output{'s' * (len(outputs) > 1)}, and its config.json says "
            f"problem_type: {problem_type or 'nothing'}",
            "a model with one output and problem_type: regression, to whose output no function is applied",
            "fine-tune it here with teacher.train, or write problem_type into its config.json if that is what it is",
        )

    # The data

    def read_labels(self, data: datasets.Dataset, columns: Columns, split: str) -> Raw:
        """Numbers, one in each row."""
        from compress.data.columns import one_label_column

        column = one_label_column(columns)
        values = list(data[column])
        numbers = [_number(value) for value in values]
        wrong = [row for row, number in enumerate(numbers) if number is None or not np.isfinite(number)]
        if wrong:
            raise DataError(
                f"row {wrong[0] + 1} of {split} holds {values[wrong[0]]!r} in the column {column!r}"
                + (f", and {len(wrong) - 1} further rows hold no number" if len(wrong) > 1 else ""),
                f"a finite number in every row, for {self.asked_by}",
                "mend those rows, or set data.columns.label to the column of numbers",
            )
        return np.asarray(numbers, dtype=np.float32)

    def label_space(self, named: Named, raw: dict[str, Raw]) -> LabelSpace:
        """See `Task`: numbers have no names."""
        if named.recipe is not None:
            raise DataError(
                f"data.labels names {len(named.recipe)} labels, and {self.asked_by} learns numbers",
                "no names of labels",
                f"take data.labels out, or {self.asked_by.partition(':')[0]}",
            )
        return Numbers()

    def known_space(self, raw: Raw, names: tuple[str, ...] | None, count: int) -> LabelSpace:
        """See `Task`."""
        return Numbers()

    def check_labels(
        self, parts: dict[str, Rows], names: tuple[str, ...] | None, *, declared: bool
    ) -> list[str]:
        """See `Task`: with one number alone there is nothing to learn, nor to correlate with."""
        for part, rows in parts.items():
            if rows.labels is not None and len(np.unique(rows.labels)) < 2:
                raise DataError(
                    f"every row of {part} has the same number, {float(rows.labels[0]):g}",
                    "numbers that differ",
                    "check data.columns.label, and whether the file was sorted and cut",
                )
        return []

    def no_labels(self, like: Labels, rows: int) -> Labels:
        """See `Task`."""
        return np.full(rows, np.nan, dtype=like.dtype)

    def has_label(self, labels: Labels) -> Bools:
        """See `Task`."""
        return ~np.isnan(labels)

    def settled(self, train: Labels | None) -> Regression:
        """With the range of the labels of train."""
        return self if train is None else Regression(*range_of(train))

    def answered_by(self, answering: Answering) -> Regression:
        """With the range that a bundle names."""
        assert isinstance(answering, Answers)
        return Regression(answering.low, answering.high)

    # Training

    def hard_loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Mean squared error; see `Task`."""
        known = ~labels.isnan()
        squared = (logits.float().squeeze(-1)[known] - labels[known]).square()
        return squared.sum() / len(labels)

    def soft_loss(
        self, logits: Tensor, teacher_logits: Tensor, labels: Tensor | None, how: Imitation
    ) -> Tensor:
        """Squared differences from the teacher's number and from the label; see `Task`."""
        from compress.distill.soft import regression_targets

        return regression_targets(logits, teacher_logits, labels, how.alpha)

    def own_loss(self, logits: Tensor, labels: Tensor | None) -> Tensor:
        """Squared error; where there is no label the number itself: what matters to it moves it."""
        import torch

        numbers = logits.float().squeeze(-1)
        if labels is None:
            return numbers.sum()
        known = ~labels.isnan()
        return torch.where(known, (numbers - labels.nan_to_num()).square(), numbers).sum()

    def selection_score(self, metric: str, labels: Labels, logits: Logits) -> float:
        """See `Task`."""
        return score(metric, labels, logits[:, 0], 1)

    def labels_from_logits(self, logits: Logits) -> Labels:
        """See `Task`."""
        return logits[:, 0].astype(np.float32)

    def check_teacher(self, labels: Sequence[str], logits: Logits, rows: Rows) -> tuple[str, float]:
        """Pearson's correlation on the selection rows, which is 0 for guessing; raises `ModelError`."""
        assert rows.labels is not None
        found = score("pearson", rows.labels, logits[:, 0], 1)
        if knows_more_than_chance(found, len(rows)):
            return "pearson", found
        raise ModelError(
            f"the teacher answers at chance: its numbers correlate with the labels at {found:.3f} on "
            f"{len(rows):,} rows",
            "a teacher that knows the task",
            "check that it was fine-tuned on numbers of this kind, or fine-tune it with teacher.train",
        )

    def default_answering(self) -> Answering:
        """See `Task`."""
        return Answers(low=self.low, high=self.high)

    # Judging

    def stack(self, answers: Sequence[Answer], labels: Sequence[str]) -> Floats:
        """The numbers, (rows, 1)."""
        return np.array([answer.score for answer in answers], dtype=np.float64).reshape(-1, 1)

    def gold_marks(self, metric: str, rows: Rows) -> NDArray[Any]:
        """The numbers, (rows,)."""
        assert rows.labels is not None
        return rows.labels.astype(np.float64)

    def marks(self, metric: str, answers: Floats, rows: Rows) -> NDArray[Any]:
        """The numbers, (rows,)."""
        return np.asarray(answers[:, 0])

    def as_labels(self, answers: Floats) -> Labels:
        """See `Task`."""
        return np.asarray(answers[:, 0])

    def same(self, one: Floats, other: Floats) -> Bools:
        """Numbers that lie within the tolerance of each other."""
        return np.asarray(np.abs(one[:, 0] - other[:, 0]) <= self.tolerance(one))

    def changed(self, one: Floats, other: Floats) -> Bools:
        """Numbers that differ by more than a hundredth of the tolerance: the same model was asked."""
        return np.asarray(np.abs(one[:, 0] - other[:, 0]) > self.tolerance(one) / 100)

    def tolerance(self, teacher: Floats) -> float:
        """How near is near; by the range of the teacher's numbers where that of the labels is not known."""
        if self.low is None or self.high is None:
            return TOLERANCE * float(np.ptp(teacher))
        return TOLERANCE * (self.high - self.low)

    def numbers(self, answers: Floats) -> Floats | None:
        """See `Task`."""
        return np.asarray(answers[:, 0])

    def correlation(self, teacher: Floats, shipped: Floats) -> float | None:
        """Pearson's."""
        return score("pearson", teacher[:, 0], shipped[:, 0], 1)

    # evaluation.jsonl, and files with labels

    def gathered_labels(self, labels: Sequence[Any]) -> Labels:
        """See `Task`."""
        return np.asarray(labels, dtype=np.float32)

    def tell_label(self, label: Any, labels: Sequence[str]) -> Any:
        """The number; of a float32 the shortest that is read back as the same."""
        return float(str(np.float32(label)))

    def read_label(self, told: Any, labels: Sequence[str]) -> Any:
        """See `Task`."""
        if isinstance(told, bool) or not isinstance(told, int | float) or not np.isfinite(told):
            raise Fault(f" has the label {told!r}", "a number")
        return float(told)

    def parse_label(self, cell: Any, labels: Sequence[str], names: dict[str, str]) -> Any:
        """See `Task`."""
        number = _number(cell)
        if number is None or not np.isfinite(number):
            raise Fault(f"the label {cell!r}", "a number", "write a number in each row")
        return number

    def tell_answer(self, answer: Floats, labels: Sequence[str]) -> dict[str, Any]:
        """The number as `score`."""
        return {"score": float(answer[0])}

    def read_answer(self, told: Any, labels: Sequence[str]) -> Any:
        """See `Task`."""
        number = told.get("score") if isinstance(told, dict) else None
        if isinstance(number, bool) or not isinstance(number, int | float) or not np.isfinite(number):
            raise Fault(f": the teacher's answer is {told!r}", 'a number as "score"', _REBUILD)
        return [float(number)]


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except ValueError:
        return None
