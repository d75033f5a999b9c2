"""What every task has on the training side: its labels, its losses, its marks, its metrics.

A task is one file with one class, whose instance stands in `compress/tasks/__init__.py`; how it answers when it is
served is its class in `serve/tasks/`. Everything flows as arrays with an axis of rows in front:

- labels, `Rows.labels`: what the data says, (rows, ...), padded where rows have unequal many;
- logits: what a model gives in training, (examples, ...); `teacher-logits` on disk are those;
- answers: what `Answering` answered, stacked, (rows, ...), float64;
- marks: what a metric takes of labels or of answers, (rows, ...), for `compress.judge.metrics`.

What judges needs no torch and no datasets, so a task imports them where they are used.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from math import sqrt
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from compress.errors import ModelError
from serve.tasks import Answer, Answering, SingleLabel

if TYPE_CHECKING:
    import datasets
    from tokenizers import Tokenizer
    from torch import Tensor
    from transformers import PreTrainedConfig

    from compress.data.rows import Rows, Splits
    from compress.judge.report import Flip, ReliabilityBin
    from compress.models.source import ModelSource
    from serve.inputs import Input
    from serve.tasks import Tokens
    from serve.tasks.answering import Outputs

Floats = NDArray[np.float64]
Logits = NDArray[np.float32]
Labels = NDArray[Any]
Bools = NDArray[np.bool_]
Raw = Any  # the labels of one split as they were read, before they have a place among all labels

_LEAST, _ENOUGH = 0.05, 0.5  # of a correlation that is 0 for guessing


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


class Task(ABC):
    """One task; what a subclass does not say is as in text classification with one label."""

    name: ClassVar[str] = "text-classification"  # the Hub's, as in `task:`
    problem_type: ClassVar[str | None] = (
        None  # transformers' word, as in `problem_type:`; None for its default
    )
    head: ClassVar[str] = "SequenceClassification"  # of transformers' classes: AutoModelFor...
    answers_as: ClassVar[type[Answering]] = SingleLabel
    metrics: ClassVar[tuple[str, ...]] = ("accuracy", "macro_f1", "matthews")  # the default first
    agreement_metric: ClassVar[str] = (
        "accuracy"  # what scores against a teacher's answers, where there are no labels
    )
    agreement_means: ClassVar[str] = "rows with the teacher's label"
    # How texts are changed to see what holds (`compress.judge.perturb`); none where labels are places in the text.
    perturbations: ClassVar[tuple[str, ...]] = ("typos", "case", "punctuation")

    flips_of: ClassVar[Literal["rows", "entities"]] = "rows"  # what `flips` counts
    # Names that columns usually have with it, looked for before all others.
    text_columns: ClassVar[tuple[str, ...]] = ()
    label_columns: ClassVar[tuple[str, ...]] = ()
    unlabelled_means: ClassVar[str] = "every label is -1"  # of a split, for people
    tunes: ClassVar[str] = "its thresholds"  # what `tuned` finds, for people

    @property
    def key(self) -> str:
        """What tells it from all others."""
        return f"{self.name} {self.answers_as.PROBLEM_TYPE or ''}".strip()

    # The model

    head_in_words: ClassVar[str] = "classification head"
    names_outputs: ClassVar[bool] = True  # outputs stand for labels, which data and models are aligned by
    output_names: ClassVar[tuple[str, ...]] = ()  # of a new head where they do not
    has_head: ClassVar[bool] = True  # weights of its own on top of an encoder; where not, every encoder fits
    averages: ClassVar[bool] = True  # several teachers may answer as one

    def opened(self, config: PreTrainedConfig, source: str, options: ModelSource, *, offline: bool) -> None:  # noqa: B027  most have none
        """Put into the config of a model that was opened what its other files say; raises `ModelError`."""

    def marked(self, config: PreTrainedConfig) -> None:  # noqa: B027  most took nothing
        """Put into a model's config what the task took from the labels of train, for `of`."""

    def of(self, config: PreTrainedConfig) -> Task:
        """The task with what a model's config says of it."""
        return self

    def fitted(self, answering: Answering, config: PreTrainedConfig) -> Answering:
        """How a model answers, with what its config says of it."""
        return answering

    def fits_outputs(self, count: int) -> bool:
        """A head with so many outputs is one of this task; asked where outputs stand for no labels."""
        return count == len(self.output_names)

    def check_head(self, model: str, outputs: Sequence[str], problem_type: str | None) -> None:
        """Raise `ModelError` where a model that is used as it is was fine-tuned for another kind of problem."""
        if len(outputs) > 1 and problem_type in {None, self.problem_type}:
            return
        raise ModelError(
            f"{model} is a model for {problem_type or 'regression'}, with {len(outputs)} outputs",
            "a classifier that gives each text one of at least two labels",
            "set problem_type: to what it was fine-tuned for, or fine-tune it here with teacher.train",
        )

    # The data

    def reading(self, *, leaves_out: bool) -> Task:
        """The task with what a recipe says of how its data is read: answers that are misplaced are left out."""
        return self

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

    def settled(self, train: Labels | None) -> Task:
        """The task with what it takes from the labels of train."""
        return self

    def for_labels(self, names: Sequence[str]) -> Task:
        """The task with what it takes from the names of a model's outputs, in their order."""
        return self

    def answered_by(self, answering: Answering) -> Task:
        """The task with what it takes from how a model answers; of a bundle, whose labels are not at hand."""
        return self

    # Training

    def read_logits(self, output: Any) -> Tensor:
        """What a transformers model gave, as one tensor (examples, ...)."""
        logits: Tensor = output.logits
        return logits

    def soft_targets(self, outputs: Outputs) -> Logits:
        """What a teacher gave over its examples, as one array (examples, ...) for `soft_loss`.

        Of what has a number for each token, examples are padded to the longest with NaN, which is cut off again.
        """
        return np.asarray(outputs["logits"])

    def by_input(self, targets: Logits, asked: Sequence[Tokens]) -> Logits:
        """Soft targets with a row for each input, where rows are what is trained on; else as they are."""
        return targets

    def by_example(self, logits: Tensor, texts: int) -> Tensor:
        """What a model gave of a batch in which each example has so many texts, with a row for each example."""
        return logits

    def average_probabilities(self, logits: Floats, shares: Floats) -> Floats:
        """What several teachers give as one by the average of their probabilities, as logits.

        `logits` are (teachers, ...), `shares` (teachers,). Of what has no probabilities the plain average.
        """
        return np.tensordot(shares, logits, axes=1)

    def pooled_answering(self, answering: Sequence[Answering], weights: Sequence[float]) -> Answering:
        """How several teachers answer as one."""
        return answering[0]

    def outputs_of_targets(self, targets: Logits) -> Outputs:
        """The outputs that `soft_targets` was made of, or the average of several teachers' targets."""
        return {"logits": targets}

    def example_labels(self, asked: Sequence[Tokens], labels: Labels) -> Sequence[Any] | Labels:
        """What each example is trained on, an example for each window; numbers, or a list for each token."""
        return labels

    def counted(self, asked: Sequence[Tokens], labels: Labels | None) -> list[list[int]] | None:
        """1 for each token of each window that is learnt from, else 0; None where examples have one answer."""
        return None

    def carried_over(
        self, asked: Sequence[Tokens], theirs: Sequence[Tokens], labels: Labels | None, targets: Logits
    ) -> Logits:
        """Targets of a teacher that read `theirs`, for the examples of a student that reads `asked`."""
        return targets

    def gathered(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The batch with the labels and targets of what counts alone, as `of_counted` gives logits."""
        return dict(batch)

    def of_counted(self, logits: Tensor, batch: Mapping[str, Tensor]) -> Tensor:
        """The logits of what counts in a batch that is learnt from."""
        return logits

    @abstractmethod
    def hard_loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """The loss against labels, a scalar: the mean over the batch, in which a row without label counts as 0."""

    @abstractmethod
    def soft_loss(
        self,
        logits: Tensor,
        teacher_logits: Tensor,
        labels: Tensor | None,
        *,
        temperature: float,
        alpha: float,
        loss: Literal["kl", "mse"] = "kl",
    ) -> Tensor:
        """`alpha` times the loss against a teacher plus the rest times `hard_loss`; rows without label: the teacher."""

    @abstractmethod
    def own_loss(self, logits: Tensor, labels: Tensor | None) -> Tensor:
        """A loss, summed over rows, whose gradient tells how much a part of a model matters to its answers."""

    @abstractmethod
    def selection_score(self, metric: str, labels: Labels, logits: Logits) -> float:
        """The score by which checkpoints are chosen, from what a model gave in training."""

    def labels_from_logits(self, logits: Logits) -> Labels:
        """A teacher's answers in the place of labels, where the data has none; or `labels_from_teacher`."""
        raise NotImplementedError

    def labels_from_teacher(self, rows: Rows, logits: Logits, teacher: Reader) -> Labels:
        """The same, of the rows that a teacher gave these logits over."""
        return self.labels_from_logits(logits)

    def examined(
        self, labels: Sequence[str], logits: Logits, rows: Rows, teacher: Reader
    ) -> tuple[str, float]:
        """`check_teacher`, for tasks that must know what the teacher read."""
        return self.check_teacher(labels, logits, rows)

    def check_teacher(self, labels: Sequence[str], logits: Logits, rows: Rows) -> tuple[str, float]:
        """A metric with the teacher's score on the selection rows; raises `ModelError` for one that guesses.

        Or `examined`.
        """
        raise NotImplementedError

    def default_answering(self) -> Answering:
        """How a model answers before anything was tuned."""
        return self.answers_as.model_validate({})

    def tuned(self, metric: str, logits: Logits, labels: Labels, names: Sequence[str]) -> Answering:
        """How a model answers, by what it gave on the rows that select."""
        return self.default_answering()

    def tuned_on(self, metric: str, logits: Logits, rows: Rows, model: Reader) -> Answering:
        """The same, for tasks that must know what the model read; every row has a label."""
        assert rows.labels is not None
        return self.tuned(metric, logits, rows.labels, model.labels)

    @property
    def is_tuned(self) -> bool:
        """`tuned`, or `tuned_on`, looks at its arguments."""
        return False

    # Judging

    @abstractmethod
    def stack(self, answers: Sequence[Answer], labels: Sequence[str]) -> Floats:
        """Answers as one array (rows, ...), in the order of the labels."""

    @abstractmethod
    def gold_marks(self, metric: str, rows: Rows) -> NDArray[Any]:
        """What the metric takes of the rows' labels, (rows, ...)."""

    @abstractmethod
    def marks(self, metric: str, answers: Floats, rows: Rows) -> NDArray[Any]:
        """What the metric takes of answers to these rows, (rows, ...)."""

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

    # evaluation.jsonl, and files with labels

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


def knows_more_than_chance(correlation: float, rows: int) -> bool:
    """A correlation that is 0 for guessing is two standard errors above it, and 0.05; half of 1 is always enough."""
    return correlation >= min(max(_LEAST, 2 / sqrt(rows)), _ENOUGH)
