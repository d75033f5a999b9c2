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

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

from compress.errors import ModelError
from compress.judge.metrics import METRICS
from compress.tasks.interface.data import DataPart
from compress.tasks.interface.judging import JudgingPart
from compress.tasks.interface.telling import TellingPart
from compress.tasks.interface.terms import Labels, Logits, Reader
from compress.tasks.interface.training import TrainingPart
from serve.tasks import Answering, SingleLabel

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

    from compress.data.rows import Rows
    from compress.models.source import ModelSource


class Task(DataPart, TrainingPart, JudgingPart, TellingPart):
    """One task; what a subclass does not say is as in text classification with one label."""

    name: ClassVar[str] = "text-classification"  # the Hub's, as in `task:`
    problem_type: ClassVar[str | None] = (
        None  # transformers' word, as in `problem_type:`; None for its default
    )
    head: ClassVar[str] = "SequenceClassification"  # of transformers' classes: AutoModelFor...
    answers_as: ClassVar[type[Answering]] = SingleLabel
    metrics: ClassVar[tuple[str, ...]] = METRICS  # the default first
    agreement_metric: ClassVar[str] = (
        "accuracy"  # what scores against a teacher's answers, where there are no labels
    )
    agreement_means: ClassVar[str] = "rows with the teacher's label"
    # How texts are changed to see what holds (`compress.judge.perturb`); none where labels are places in the text.
    perturbations: ClassVar[tuple[str, ...]] = ("typos", "case", "punctuation")

    flips_of: ClassVar[Literal["rows", "entities", "labels"]] = "rows"  # what `flips` counts
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

    def opened(self, config: PreTrainedConfig, source: str, options: ModelSource, *, offline: bool) -> None:
        """Put into the config of a model that was opened what its other files say; raises `ModelError`."""

    def marked(self, config: PreTrainedConfig) -> None:
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

    # What it takes from data, and how it answers

    def reading(self, *, leaves_out: bool) -> Task:
        """The task with what a recipe says of how its data is read: answers that are misplaced are left out."""
        return self

    def pooled_answering(self, answering: Sequence[Answering], weights: Sequence[float]) -> Answering:
        """How several teachers answer as one."""
        return answering[0]

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

    def settled(self, train: Labels | None) -> Task:
        """The task with what it takes from the labels of train."""
        return self

    def for_labels(self, names: Sequence[str]) -> Task:
        """The task with what it takes from the names of a model's outputs, in their order."""
        return self

    def answered_by(self, answering: Answering) -> Task:
        """The task with what it takes from how a model answers; of a bundle, whose labels are not at hand."""
        return self
