"""One teacher or several that answer as one: the weighted average of their logits or probabilities."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from compress.data.labels import normal_form
from compress.errors import ModelError
from compress.models.predict import TorchPredictor
from compress.models.trained import Trained
from compress.tasks import SINGLE_LABEL, Task
from serve.encoding import cut_into_windows, read
from serve.inputs import Input
from serve.tasks import Answer

Average = Literal["logits", "probabilities"]
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Teachers:
    """The models that a student learns from; answers come in the order of the first one's labels."""

    members: tuple[Trained, ...]
    weights: tuple[float, ...]
    average: Average

    def __post_init__(self) -> None:
        for number, member in enumerate(self.members[1:], start=2):
            if spelled_as_first(member.labels, self.labels, number) != member.labels:
                raise ValueError(f"teacher {number} spells its labels otherwise: {member.labels}")

    @property
    def first(self) -> Trained:
        """The teacher that a student is made from."""
        return self.members[0]

    @property
    def labels(self) -> tuple[str, ...]:
        """In the order of the answers."""
        return self.first.labels

    @property
    def parameters(self) -> int:
        """How many numbers the models hold together."""
        return sum(member.parameters for member in self.members)

    @property
    def size_mb(self) -> float:
        """Size of the weights' files, in 10^6 bytes."""
        return sum(member.size_mb for member in self.members)

    def predictor(self, *, device: str = "cpu", threads: int | None = None) -> "TeachersPredictor":
        """All of them, behind the verb that everything which answers has."""
        return TeachersPredictor(self, device=device, threads=threads)


class TeachersPredictor:
    """Answers with every teacher in turn and gives their average."""

    def __init__(self, teachers: Teachers, *, device: str = "cpu", threads: int | None = None) -> None:
        self.labels = teachers.labels
        self._teachers = teachers
        self._predictors = [TorchPredictor(one, device=device, threads=threads) for one in teachers.members]
        # For each member, where the first one's labels stand among its own.
        self._columns: list[list[int] | slice] = [
            [one.labels.index(label) for label in self.labels] if one.task.names_outputs else slice(None)
            for one in teachers.members
        ]

    def predict(self, inputs: Sequence[Input]) -> list[Answer]:
        """One answer per text, in order."""
        if not inputs:
            return []
        first = self._teachers.first
        tokenizer = first.encoder
        cut_into_windows(tokenizer, first.answering)
        asked = read(tokenizer, inputs, first.answering)
        outputs = first.task.outputs_of_targets(self.logits(inputs))
        answering = first.task.pooled_answering(
            [member.answering for member in self._teachers.members], self._teachers.weights
        )
        return answering.answers(asked, outputs, self.labels)

    def logits(self, inputs: Sequence[Input], advance: Callable[[int], None] | None = None) -> Floats:
        """Averaged logits of shape (texts, labels); averaged probabilities come as their logarithms."""
        each = [
            predictor.logits(inputs, advance)[..., columns]
            for predictor, columns in zip(self._predictors, self._columns, strict=True)
        ]
        return average_logits(each, self._teachers.weights, self._teachers.average, self._teachers.first.task)


def spelled_as_first(labels: Sequence[str], first: Sequence[str], number: int) -> tuple[str, ...]:
    """The labels of teacher `number`, in their own order, spelled as the first teacher spells them.

    Spellings are equal as they are where teacher and data are aligned (`Sport`, `sport`). Raises
    `ModelError` where the two do not know the same labels.
    """
    if sorted(labels) == sorted(first):
        return tuple(labels)
    if len(labels) == len(first) == 1:  # a number, whatever it is called
        return tuple(first)
    spelling = {normal_form(label): label for label in first}
    forms = [normal_form(label) for label in labels]
    if len(spelling) < len(first) or sorted(forms) != sorted(spelling):
        raise ModelError(
            f"teacher {number} knows the labels {', '.join(labels[:6])}, "
            f"and the first one {', '.join(first[:6])}",
            "teachers that know the same labels, in whatever order",
            "fine-tune them on the same data with teacher.train",
        )
    return tuple(spelling[form] for form in forms)


def average_logits(
    logits: Sequence[Floats], weights: Sequence[float], average: Average, task: Task = SINGLE_LABEL
) -> Floats:
    """The weighted average of arrays of shape (rows, labels), as logits of shape (rows, labels).

    The average of probabilities is that of an ensemble's answers (Hinton et al. 2015, section 5); that of
    logits is their geometric mean, as in distilling from several teachers (You et al. 2017, section 3.1).
    """
    if len(logits) == 1:
        return logits[0]
    shares = np.asarray(weights, dtype=np.float64) / sum(weights)
    stacked = np.stack([values.astype(np.float64) for values in logits])
    if average == "probabilities":
        return task.average_probabilities(stacked, shares).astype(np.float32)
    return np.tensordot(shares, stacked, axes=1).astype(np.float32)
