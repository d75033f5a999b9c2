"""Text classification with one label per text, or per pair of texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from compress.data.names import first_of
from compress.data.rows import NO_LABEL, Rows, Splits
from compress.errors import DataError, ModelError
from compress.judge.detail import alike_by_class, flips_by_class, mean_kl, reliability
from compress.judge.metrics import BINARY, score
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
from serve.tasks import Answer

if TYPE_CHECKING:
    import datasets
    from torch import Tensor

    from compress.judge.report import Flip, ReliabilityBin

_SMALLEST = 1e-12  # the smallest probability that a logarithm is taken of
_ROUNDED = 2e-6  # probabilities in evaluation.jsonl have six decimals
_REBUILD = "make the bundle again with `compress run`, or copy it again from where it was made"


class SingleLabel(Task):
    """Labels are numbers (rows,); logits, answers and soft targets are (rows, labels)."""

    problem_type: ClassVar[str | None] = "single_label_classification"

    # The data

    def labelled_for(self, metric: str, splits: Splits) -> Splits:
        """See `Task`; raises `DataError` where a metric of two labels is asked of more."""
        if metric == BINARY and (names := splits.label_names) is not None and len(names) != 2:
            raise DataError(
                f"metric is {BINARY}, and the data has {len(names)} labels",
                "two labels: it is the F1 of the second one",
                "set metric: macro_f1, the mean of every label's F1",
            )
        return splits

    def read_labels(self, data: datasets.Dataset, columns: Columns, split: str) -> Raw:
        """See `Task`: numbers, or names."""
        from compress.data.columns import one_label_column, read_labels

        return read_labels(data, one_label_column(columns), split)

    def label_space(self, named: Named, raw: dict[str, Raw]) -> LabelSpace:
        """See `Task`."""
        from compress.data.labels import gather_labels

        return gather_labels(named.recipe, named.file, named.feature, raw)

    def known_space(self, raw: Raw, names: tuple[str, ...] | None, count: int) -> LabelSpace:
        """See `Task`."""
        from compress.data.labels import known_labels

        return known_labels(raw, names, count)

    def check_labels(
        self, parts: dict[str, Rows], names: tuple[str, ...] | None, *, declared: bool
    ) -> list[str]:
        """See `Task`: one class only, and classes that a split lacks."""
        from compress.data.check import check_labels

        return check_labels(parts, names, declared=declared)

    def relabelled(self, labels: Labels, output_of: NDArray[np.int64]) -> Labels:
        """See `Task`."""
        return np.asarray(output_of[labels])

    def no_labels(self, like: Labels, rows: int) -> Labels:
        """See `Task`."""
        return np.full(rows, NO_LABEL, dtype=like.dtype)

    def has_label(self, labels: Labels) -> Bools:
        """See `Task`."""
        return np.asarray(labels != NO_LABEL)

    # Training

    def hard_loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Cross-entropy; see `Task`."""
        from torch.nn import functional

        total = functional.cross_entropy(logits.float(), labels, ignore_index=NO_LABEL, reduction="sum")
        return total / len(labels)

    def soft_loss(
        self, logits: Tensor, teacher_logits: Tensor, labels: Tensor | None, how: Imitation
    ) -> Tensor:
        """Hinton's soft targets, or squared differences of logits; see `Task`."""
        from compress.distill.soft import matched_logits, soft_targets

        if how.loss == "mse":
            return matched_logits(logits, teacher_logits, labels, how.alpha)
        return soft_targets(logits, teacher_logits, labels, how.temperature, how.alpha)

    def average_probabilities(self, logits: Floats, shares: Floats) -> Floats:
        """See `Task`: of softmax."""
        exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
        mean = np.tensordot(shares, exponentials / exponentials.sum(axis=-1, keepdims=True), axes=1)
        return np.asarray(np.log(np.maximum(mean, _SMALLEST)))

    def own_loss(self, logits: Tensor, labels: Tensor | None) -> Tensor:
        """Cross-entropy with the label or, where there is none, with the model's own answer."""
        import torch
        from torch.nn import functional

        targets = logits.argmax(dim=-1)
        if labels is not None:
            targets = torch.where(labels == NO_LABEL, targets, labels)
        return functional.cross_entropy(logits, targets, reduction="sum")

    def selection_score(self, metric: str, labels: Labels, logits: Logits) -> float:
        """See `Task`."""
        predicted = logits.argmax(axis=-1)
        return score(metric, labels, predicted, int(max(labels.max(), predicted.max())) + 1)

    def labels_from_logits(self, logits: Logits) -> Labels:
        """See `Task`."""
        return np.asarray(logits.argmax(axis=1), dtype=np.int64)

    def check_teacher(self, labels: Sequence[str], logits: Logits, rows: Rows) -> tuple[str, float]:
        """The teacher's accuracy on the selection rows; raises `ModelError` at chance or majority level.

        Matthews correlation is 0 for guessing and for always naming the majority, whatever the labels'
        shares; a teacher must be two standard errors above that.
        """
        assert rows.labels is not None
        predicted = logits.argmax(axis=1)
        accuracy = score("accuracy", rows.labels, predicted, len(labels))
        correlation = score("matthews", rows.labels, predicted, len(labels))
        if knows_more_than_chance(correlation, len(rows)):
            return "accuracy", accuracy
        majority = float(np.bincount(rows.labels).max() / len(rows))
        raise ModelError(
            f"the teacher answers at chance: accuracy {accuracy:.3f} on {len(rows):,} rows, "
            f"where always naming the commonest label gives {majority:.3f}",
            "a teacher that knows the task",
            "check that it was fine-tuned on these labels, in this order, or fine-tune it with teacher.train",
        )

    # Judging

    def stack(self, answers: Sequence[Answer], labels: Sequence[str]) -> Floats:
        """The probabilities, (rows, labels)."""
        rows = [[answer.probabilities[label] for label in labels] for answer in answers]
        return np.array(rows, dtype=np.float64).reshape(len(answers), len(labels))

    def gold_marks(self, metric: str, rows: Rows) -> NDArray[Any]:
        """Label numbers, (rows,)."""
        assert rows.labels is not None
        return rows.labels

    def marks(self, metric: str, answers: Floats, rows: Rows) -> NDArray[Any]:
        """The most probable label, (rows,)."""
        return np.asarray(answers.argmax(axis=1))

    def quoted_beside(self, metric: str, rows: Rows, labels: Sequence[str]) -> list[str]:
        """See `Task`; what is said of two labels only where there are two."""
        others = super().quoted_beside(metric, rows, labels)
        return [other for other in others if len(labels) == 2 or other != BINARY]

    def as_labels(self, answers: Floats) -> Labels:
        """See `Task`."""
        return np.asarray(answers.argmax(axis=1))

    def same(self, one: Floats, other: Floats) -> Bools:
        """The same most probable label."""
        return np.asarray(one.argmax(axis=1) == other.argmax(axis=1))

    def right(self, answers: Floats, rows: Rows) -> Bools | None:
        """See `Task`."""
        return None if rows.labels is None else np.asarray(answers.argmax(axis=1) == rows.labels)

    def divergence(self, teacher: Floats, shipped: Floats) -> float | None:
        """See `Task`."""
        return mean_kl(teacher, shipped)

    def confidence(self, answers: Floats) -> Floats | None:
        """The highest probability."""
        return np.asarray(answers.max(axis=1))

    def reliability(self, answers: Floats, rows: Rows) -> list[ReliabilityBin]:
        """See `Task`."""
        return [] if rows.labels is None else reliability(answers, rows.labels)

    def flips(
        self, teacher: Floats, shipped: Floats, labels: Sequence[str]
    ) -> tuple[list[Flip], dict[str, int]]:
        """See `Task`."""
        both = teacher.argmax(axis=1), shipped.argmax(axis=1)
        return flips_by_class(*both, labels), alike_by_class(*both, labels)

    # evaluation.jsonl, and files with labels

    def tell_label(self, label: Any, labels: Sequence[str]) -> Any:
        """The name."""
        return labels[int(label)]

    def read_label(self, told: Any, labels: Sequence[str]) -> Any:
        """See `Task`."""
        if told not in labels:
            raise Fault(f" has the label {told!r}", f"one of {first_of(labels)}")
        return labels.index(str(told))

    def parse_label(self, cell: Any, labels: Sequence[str], names: dict[str, str]) -> Any:
        """A name, as a run matches those of data and teacher (capitals make no other label), or a known number."""
        label = str(cell).strip()
        places = {name.casefold(): place for place, name in enumerate(labels)}
        place = places.get(label.casefold(), places.get(names.get(label, "").casefold()))
        if place is None:
            raise Fault(
                f"the label {cell!r}",
                f"one of the bundle's labels: {first_of(labels)}",
                "write the labels by name; numbers mean nothing without `data.labels` in the recipe",
            )
        return place

    def tell_answer(self, answer: Floats, labels: Sequence[str]) -> dict[str, Any]:
        """The label and every label's probability."""
        return {"label": labels[int(answer.argmax())], "probabilities": told_probabilities(answer, labels)}

    def read_answer(self, told: Any, labels: Sequence[str]) -> Any:
        """Probabilities in the order of the labels; the label must be the most probable one."""
        row = read_probabilities(told, labels)
        label = None if told.get("label") is None else self.read_label(told["label"], labels)
        if label is None or row[label] < max(row) - _ROUNDED:
            likely = labels[row.index(max(row))]
            raise Fault(
                f": the teacher's label is {told.get('label')}, and its most probable label is {likely}",
                "the most probable label as the answer; labels may stand there in another order",
                _REBUILD,
            )
        # Of labels that six decimals make equal the answer counts.
        row[label] = float(np.nextafter(max(row), 2.0))
        return row


def told_probabilities(values: Floats, labels: Sequence[str]) -> dict[str, float]:
    """By label, with six decimals."""
    return {name: round(float(value), 6) for name, value in zip(labels, values, strict=True)}


def read_probabilities(told: Any, labels: Sequence[str]) -> list[float]:
    """Of every label, in their order; raises `Fault`."""
    found = told.get("probabilities") if isinstance(told, dict) else None
    if (
        not isinstance(found, dict)
        or set(found) != set(labels)
        or not all(isinstance(value, float | int) for value in found.values())
    ):
        raise Fault(
            f": the teacher's answer has probabilities of {', '.join(found or ['nothing'])}",
            f"a probability for each of {first_of(labels)}",
            _REBUILD,
        )
    return [float(found[label]) for label in labels]
