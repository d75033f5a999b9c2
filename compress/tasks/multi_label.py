"""Several labels per text: any number of them, none included; each label has a threshold of its own.

The data has a column of lists of names or numbers, or a column of 0 and 1 for each label. Agreement with the teacher is
the share of rows that are given the very same set of labels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from compress.data.names import first_of
from compress.data.rows import Rows
from compress.errors import ModelError
from compress.judge.detail import mean_kl, reliability
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
from compress.tasks.text_classification import read_probabilities
from compress.tasks.thresholds import tune
from serve.tasks import Answer, Answering, LabelSet
from serve.tasks import MultiLabel as Answers
from serve.tasks.multi_label import sigmoid

if TYPE_CHECKING:
    import datasets
    from torch import Tensor

    from compress.judge.report import Flip, ReliabilityBin

_SMALLEST = 1e-12  # the smallest probability that a logarithm is taken of
_REBUILD = "make the bundle again with `compress run`, or copy it again from where it was made"


class MultiLabel(Task):
    """Labels are 0 or 1, (rows, labels), NaN in rows without; logits and soft targets are (rows, labels).

    Answers are (rows, labels, 2): the label's probability, and 1 where it is given.
    """

    problem_type: ClassVar[str | None] = "multi_label_classification"
    answers_as: ClassVar[type[Answering]] = Answers
    metrics: ClassVar[tuple[str, ...]] = ("micro_f1", "macro_f1", "average_precision")
    agreement_metric: ClassVar[str] = "micro_f1"
    agreement_means: ClassVar[str] = "rows with the same set of labels as the teacher"
    flips_of: ClassVar[Literal["rows", "entities", "labels"]] = "labels"

    def check_head(self, model: str, outputs: Sequence[str], problem_type: str | None) -> None:
        """See `Task`."""
        if problem_type == self.problem_type:
            return
        raise ModelError(
            f"{model} has {len(outputs)} outputs, and its config.json says problem_type: {problem_type or 'nothing'}",
            "a model with problem_type: multi_label_classification, each of whose outputs stands for itself",
            "fine-tune it here with teacher.train, or write problem_type into its config.json if that is what it is",
        )

    # The data

    def read_labels(self, data: datasets.Dataset, columns: Columns, split: str) -> Raw:
        """Lists of names or numbers, or 0 and 1 by the name of a column."""
        from compress.data.label_sets import read_label_sets

        return read_label_sets(data, columns, split)

    def is_unlabelled(self, raw: Raw) -> bool:
        """See `Task`; an empty list says that a text has none of the labels."""
        return bool(raw.is_unlabelled)

    def label_space(self, named: Named, raw: dict[str, Raw]) -> LabelSpace:
        """See `Task`."""
        from compress.data.label_sets import gather_label_sets

        return gather_label_sets(named, raw)

    def known_space(self, raw: Raw, names: tuple[str, ...] | None, count: int) -> LabelSpace:
        """See `Task`."""
        from compress.data.label_sets import LabelSets

        return LabelSets(names, count)

    def check_labels(
        self, parts: dict[str, Rows], names: tuple[str, ...] | None, *, declared: bool
    ) -> list[str]:
        """See `Task`: labels that train never has, or always."""
        from compress.data.label_sets import check_label_sets

        return check_label_sets(parts, names)

    def relabelled(self, labels: Labels, output_of: NDArray[np.int64]) -> Labels:
        """See `Task`."""
        mapped = np.empty_like(labels)
        mapped[:, output_of] = labels
        return mapped

    def no_labels(self, like: Labels, rows: int) -> Labels:
        """See `Task`."""
        return np.full((rows, like.shape[1]), np.nan, dtype=like.dtype)

    def has_label(self, labels: Labels) -> Bools:
        """See `Task`."""
        return np.asarray(~np.isnan(labels).any(axis=1))

    # Training

    def hard_loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Binary cross-entropy, mean over labels; see `Task`."""
        from torch.nn import functional

        known = ~labels.isnan().any(dim=-1)
        loss = functional.binary_cross_entropy_with_logits(
            logits.float(), labels.nan_to_num(), reduction="none"
        ).mean(dim=-1)
        return (loss * known).sum() / len(labels)

    def soft_loss(
        self, logits: Tensor, teacher_logits: Tensor, labels: Tensor | None, how: Imitation
    ) -> Tensor:
        """Two Bernoulli variables for each label, or squared differences of logits; see `Task`."""
        from compress.distill.soft import matched_label_sets, soft_label_sets

        if how.loss == "mse":
            return matched_label_sets(logits, teacher_logits, labels, how.alpha)
        return soft_label_sets(logits, teacher_logits, labels, how.temperature, how.alpha)

    def average_probabilities(self, logits: Floats, shares: Floats) -> Floats:
        """See `Task`: of each label's own."""
        mean = np.tensordot(shares, sigmoid(logits), axes=1).clip(_SMALLEST, 1 - _SMALLEST)
        return np.asarray(np.log(mean) - np.log1p(-mean))

    def pooled_answering(self, answering: Sequence[Answering], weights: Sequence[float]) -> Answering:
        """With each label's average threshold."""
        limits: dict[str, float] = {}
        for one, weight in zip(answering, weights, strict=True):
            assert isinstance(one, Answers)
            for label, limit in one.thresholds.items():
                limits[label] = limits.get(label, 0.0) + limit * weight / sum(weights)
        return Answers(thresholds=limits)

    def own_loss(self, logits: Tensor, labels: Tensor | None) -> Tensor:
        """Binary cross-entropy with the labels or, where there are none, with the model's own at 0.5."""
        import torch
        from torch.nn import functional

        own = (logits > 0).float()
        targets = own if labels is None else torch.where(labels.isnan(), own, labels)
        return functional.binary_cross_entropy_with_logits(logits.float(), targets, reduction="sum")

    def selection_score(self, metric: str, labels: Labels, logits: Logits) -> float:
        """See `Task`; of the F1 scores at the threshold for all labels that is best."""
        probabilities = sigmoid(logits)
        if metric == "average_precision":
            return score(metric, labels, probabilities, labels.shape[1])
        limits = np.unique(np.quantile(probabilities, np.linspace(0.5, 0.999, 25)))
        return max(score(metric, labels, probabilities >= limit, labels.shape[1]) for limit in limits)

    def labels_from_logits(self, logits: Logits) -> Labels:
        """See `Task`; at 0.5, since nothing is there to tune by."""
        return (logits > 0).astype(np.float32)

    def check_teacher(self, labels: Sequence[str], logits: Logits, rows: Rows) -> tuple[str, float]:
        """The mean average precision on the selection rows; raises `ModelError` for a teacher that guesses.

        Within each label its probabilities must correlate with the label, which guessing does at 0 however rare labels
        are; pooled over labels.
        """
        assert rows.labels is not None
        gold = rows.labels - rows.labels.mean(axis=0)
        found = sigmoid(logits) - sigmoid(logits).mean(axis=0)
        spread = np.sqrt((gold**2).sum() * (found**2).sum())
        correlation = float((gold * found).sum() / spread) if spread > 0 else 0.0
        precision = score("average_precision", rows.labels, sigmoid(logits), len(labels))
        if knows_more_than_chance(correlation, len(rows)):
            return "average_precision", precision
        raise ModelError(
            f"the teacher answers at chance: its probabilities correlate with the labels at {correlation:.3f} on "
            f"{len(rows):,} rows",
            "a teacher that knows the task",
            "check that it was fine-tuned on these labels, in this order, or fine-tune it with teacher.train",
        )

    def tuned(self, metric: str, logits: Logits, labels: Labels, names: Sequence[str]) -> Answering:
        """A threshold for each label; see `compress.tasks.thresholds`."""
        limits = tune(metric, sigmoid(logits), labels)
        return Answers(
            thresholds={name: round(float(limit), 6) for name, limit in zip(names, limits, strict=True)}
        )

    @property
    def is_tuned(self) -> bool:
        """See `Task`."""
        return True

    # Judging

    def stack(self, answers: Sequence[Answer], labels: Sequence[str]) -> Floats:
        """Probabilities and given labels, (rows, labels, 2)."""
        rows = [
            [[answer.probabilities[label], float(label in answer.labels)] for label in labels]
            for answer in answers
            if isinstance(answer, LabelSet)
        ]
        return np.array(rows, dtype=np.float64).reshape(len(answers), len(labels), 2)

    def gold_marks(self, metric: str, rows: Rows) -> NDArray[Any]:
        """0 or 1, (rows, labels)."""
        assert rows.labels is not None
        return rows.labels.astype(np.int64)

    def marks(self, metric: str, answers: Floats, rows: Rows) -> NDArray[Any]:
        """Given labels 0 or 1, or the probabilities, (rows, labels)."""
        if metric == "average_precision":
            return np.asarray(answers[..., 0])
        return answers[..., 1].astype(np.int64)

    def as_labels(self, answers: Floats) -> Labels:
        """See `Task`."""
        return answers[..., 1].astype(np.float32)

    def same(self, one: Floats, other: Floats) -> Bools:
        """The very same set of labels."""
        return np.asarray((one[..., 1] == other[..., 1]).all(axis=1))

    def largest_change(self, one: Floats, other: Floats) -> float:
        """In a probability."""
        return float(np.abs(one[..., 0] - other[..., 0]).max())

    def right(self, answers: Floats, rows: Rows) -> Bools | None:
        """The very set of labels."""
        return None if rows.labels is None else np.asarray((answers[..., 1] == rows.labels).all(axis=1))

    def divergence(self, teacher: Floats, shipped: Floats) -> float | None:
        """Of the two Bernoulli variables of each label, their sum over labels."""
        both = [np.stack([answers[..., 0], 1 - answers[..., 0]], axis=-1) for answers in (teacher, shipped)]
        labels = int(teacher.shape[1])
        return labels * mean_kl(both[0].reshape(-1, 2), both[1].reshape(-1, 2))

    def reliability(self, answers: Floats, rows: Rows) -> list[ReliabilityBin]:
        """Of every label of every row: how often yes, or no, was right, by the probability of that answer."""
        if rows.labels is None:
            return []
        yes = answers[..., 0].reshape(-1)
        return reliability(np.stack([1 - yes, yes], axis=1), rows.labels.reshape(-1).astype(np.int64))

    def flips(
        self, teacher: Floats, shipped: Floats, labels: Sequence[str]
    ) -> tuple[list[Flip], dict[str, int]]:
        """Labels, not rows: those that one of both alone gives a row, and those that both give it."""
        from compress.judge.report import NO_LABEL
        from compress.judge.report import Flip as Told

        before, after = teacher[..., 1] == 1, shipped[..., 1] == 1
        flips: list[Flip] = []
        alike: dict[str, int] = {}
        for place, label in enumerate(labels):
            theirs, ours = before[:, place], after[:, place]
            alone = ((label, NO_LABEL, theirs & ~ours), (NO_LABEL, label, ours & ~theirs))
            flips += [
                Told(teacher=one, shipped=two, rows=int(rows.sum())) for one, two, rows in alone if rows.any()
            ]
            alike |= {label: int((theirs & ours).sum())} if (theirs & ours).any() else {}
        return sorted(flips, key=lambda flip: -flip.rows), alike

    # evaluation.jsonl, and files with labels

    def gathered_labels(self, labels: Sequence[Any]) -> Labels:
        """See `Task`."""
        return np.asarray(labels, dtype=np.float32)

    def tell_label(self, label: Any, labels: Sequence[str]) -> Any:
        """A list of names."""
        return [name for name, one in zip(labels, label, strict=True) if one]

    def read_label(self, told: Any, labels: Sequence[str]) -> Any:
        """See `Task`."""
        if not isinstance(told, list) or any(one not in labels for one in told):
            raise Fault(f" has the labels {told!r}", f"a list of labels among {first_of(labels)}")
        return [float(label in told) for label in labels]

    def parse_label(self, cell: Any, labels: Sequence[str], names: dict[str, str]) -> Any:
        """A list, or in a csv file a cell that holds one as JSON; or 0 and 1 by column."""
        from compress.tasks.label_cells import cell_labels, ones_for

        wanted = {name.casefold(): name for name in labels}
        found = []
        told = cell_labels(cell)
        if ones_for(told, len(labels)) is not None:
            raise Fault(
                f"{str(told)[:60]}: 0 or 1 for each label, and nothing says in which order",
                f"names among {', '.join(labels[:8])}",
                "write the labels by name, or a column of 0 and 1 for each",
            )
        for one in told:
            label = str(one).strip()
            name = wanted.get(label.casefold(), wanted.get(names.get(label, "").casefold()))
            if name is None:
                raise Fault(
                    f"the label {one!r}",
                    f"labels of the bundle: {first_of(labels)}",
                    "write the labels by name; numbers mean nothing without `data.labels` in the recipe",
                )
            found.append(name)
        return [float(label in found) for label in labels]

    def tell_answer(self, answer: Floats, labels: Sequence[str]) -> dict[str, Any]:
        """The given labels and every label's probability."""
        given = [label for label, one in zip(labels, answer[:, 1], strict=True) if one]
        # In full: rounded, some would be equal that are not, and average precision goes by their order.
        return {"labels": given, "probabilities": dict(zip(labels, map(float, answer[:, 0]), strict=True))}

    def read_answer(self, told: Any, labels: Sequence[str]) -> Any:
        """Probabilities beside what is given, in the order of the labels."""
        row = read_probabilities(told, labels)
        given = told.get("labels") if isinstance(told, Mapping) else None
        if not isinstance(given, list) or any(label not in labels for label in given):
            raise Fault(
                f": the teacher's answer gives {given!r}", f"labels among {first_of(labels)}", _REBUILD
            )
        return [[value, float(label in given)] for value, label in zip(row, labels, strict=True)]
