"""What a task learns by: targets, losses, the score of a checkpoint."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from compress.tasks.interface.terms import Floats, Imitation, Labels, Logits, Reader

if TYPE_CHECKING:
    from torch import Tensor

    from compress.data.rows import Rows
    from serve.tasks import Tokens
    from serve.tasks.answering import Outputs


class TrainingPart(ABC):
    """The part of a task that has to do with training."""

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
        self, logits: Tensor, teacher_logits: Tensor, labels: Tensor | None, how: Imitation
    ) -> Tensor:
        """`how.alpha` times the loss against a teacher, the rest times `hard_loss`; rows without label: the teacher."""

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
