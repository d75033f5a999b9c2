"""BERT-of-Theseus: groups of the teacher's layers are replaced by layers of the student, more and more often.

Xu et al., "BERT-of-Theseus: Compressing BERT by Progressive Module Replacing" (2020), section 3. There is no
loss but the task's own: a student's layer learns to do the work of its group among the teacher's layers.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Annotated, Any, ClassVar, Literal, Self

import torch
from pydantic import Field, model_validator
from torch import nn
from transformers import PreTrainedConfig, PreTrainedModel

from compress.distill.task_loss import task_loss
from compress.distill.teaching import freeze, only_teacher, refuse
from compress.models.anatomy import layers_of, width
from compress.models.trained import Trained
from compress.training.lesson import Batch, Lesson
from compress.training.options import TrainOptions

PURPOSE = "replacing layers (theseus)"


class Theseus(TrainOptions):
    """Replace the teacher's layers by the student's at random, then train the student alone.

    The student is one that was made from the teacher: its embeddings and its head are those of the mixture.
    The paper's student takes the teacher's first layers (section 4.2): `student: {layers: 6, start: first}`.
    """

    looks_inside: ClassVar[bool] = True

    method: Literal["theseus"]
    schedule: Literal["linear", "constant"] = "linear"
    replacing_rate: Annotated[float, Field(ge=0, le=1)] = 0.3  # linear: of the first step
    reach_one_at: Annotated[float, Field(gt=0, le=1)] = 0.6  # linear: the share of steps when the rate is 1
    finetune_share: Annotated[float, Field(ge=0, lt=1)] = 0.4  # constant: last steps, of the student alone

    @model_validator(mode="after")
    def _of_its_schedule(self) -> Self:
        foreign = "finetune_share" if self.schedule == "linear" else "reach_one_at"
        if foreign in self.model_fields_set:
            raise ValueError(f"{foreign} does not belong to schedule: {self.schedule}; take it out")
        if self.schedule == "constant" and self.replacing_rate == 0:
            raise ValueError("replacing_rate 0 with schedule: constant replaces nothing; set it above 0")
        return self

    def rate(self, step: int, total_steps: int) -> float:
        """The probability that a module is the student's, at a step counted from 0.

        Linear: min(1, k * step + b), section 3.3, with b the replacing rate and k such that 1 is reached at
        `reach_one_at` of the steps. Constant: section 3.1. Where `total_steps` is 0, not known, it is the
        replacing rate throughout.
        """
        if total_steps == 0:
            return self.replacing_rate
        if self.schedule == "constant":
            return 1.0 if step >= (1 - self.finetune_share) * total_steps else self.replacing_rate
        share = step / (self.reach_one_at * total_steps)
        return 1.0 if share >= 1 else self.replacing_rate + (1 - self.replacing_rate) * share

    def lesson(self, student: Trained, teachers: Sequence[Trained], device: str) -> "Replacing":
        """The task's loss of a mixture of teacher and student.

        Raises `ModelError` for several teachers, another architecture or width, and a number of layers that
        does not divide the teacher's.
        """
        teacher = only_teacher(teachers, self.method)
        _check_pair(student.model.config, teacher.model.config)
        groups = _groups(list(layers_of(teacher.model, PURPOSE)), len(layers_of(student.model, PURPOSE)))
        return Replacing(student.model, teacher.model, groups, self, device)


class Replacing(Lesson):
    """A student some of whose layers, drawn anew for each batch, are groups of the teacher's layers.

    While the rate is below 1, the student's layers alone are trained: embeddings and head are frozen as the
    teacher's layers are (section 3.1). Once it is 1, the whole student is (successor fine-tuning, section 3.2).
    The teacher's layers are in evaluation throughout, without dropout.
    """

    step: torch.Tensor
    seed: torch.Tensor

    def __init__(
        self,
        student: PreTrainedModel,
        teacher: PreTrainedModel,
        groups: Sequence[Sequence[nn.Module]],
        options: Theseus,
        device: str,
    ) -> None:
        super().__init__(student)
        self._options = options
        self._teacher = freeze(teacher, device)
        self._groups = groups
        self._successors = tuple(layers_of(student, PURPOSE))
        trained = {id(parameter) for layer in self._successors for parameter in layer.parameters()}
        self._frozen = [
            parameter
            for parameter in student.parameters()
            if parameter.requires_grad and id(parameter) not in trained
        ]
        # In checkpoints, so that a training that is resumed draws what it would have drawn.
        self.register_buffer("step", torch.zeros((), dtype=torch.long))
        self.register_buffer("seed", torch.randint(2**31, ()))

    def loss(self, batch: Batch) -> torch.Tensor:
        """The task's loss, (), of the mixture that is drawn for this step; counts the step."""
        rate, drawn = self.rate, self.draw()
        self.step += 1
        if rate == 1:
            return task_loss(self.answer(batch), batch, self._options.method, self.task)
        with _without_gradients(self._frozen):
            loss = task_loss(self.mixed(batch, drawn), batch, self._options.method, self.task)
        # Where the teacher's layers were drawn throughout there is nothing to learn, and still a backward pass.
        return loss + torch.zeros_like(loss, requires_grad=True)

    @property
    def rate(self) -> float:
        """The replacing rate of the next step."""
        return self._options.rate(int(self.step), self.total_steps)

    def draw(self) -> list[bool]:
        """For each module whether the next step takes the student's; it follows from seed and step alone."""
        generator = torch.Generator().manual_seed(int(self.seed) + 1_000_003 * int(self.step))
        numbers = torch.rand(len(self._groups), generator=generator)
        return [number < self.rate for number in numbers.tolist()]

    def mixed(self, batch: Batch, drawn: Sequence[bool]) -> torch.Tensor:
        """Logits, (batch, labels), with the student's layer where `drawn`, else the teacher's group."""
        places = zip(self._successors, self._groups, drawn, strict=True)
        with _in_place_of({layer: group for layer, group, own in places if not own}):
            return self.answer(batch)


def _check_pair(student: PreTrainedConfig, teacher: PreTrainedConfig) -> None:
    if student.model_type != teacher.model_type:
        refuse(
            "theseus",
            f"the student is a {student.model_type} model and its teacher a {teacher.model_type} model",
            "layers that can stand in each other's place",
            "make the student from the teacher (student: {layers: ...}), or take another method",
        )
    if width(student) != width(teacher):
        refuse(
            "theseus",
            f"the student is {width(student)} wide and its teacher {width(teacher)}",
            "equal widths, since their layers follow each other",
            "leave hidden_size out of student:, or take minilm",
        )
    if getattr(teacher, "conv_kernel_size", 0):
        refuse(
            "theseus",
            "this teacher has a convolution beside its first layer, which belongs to no group",
            "a model that is a row of layers",
            "take minilm or logits",
        )


def _groups(teacher_layers: Sequence[nn.Module], count: int) -> tuple[tuple[nn.Module, ...], ...]:
    """The teacher's layers in `count` equal contiguous groups."""
    available = len(teacher_layers)
    if count > available or available % count:
        divisors = [number for number in range(1, available + 1) if available % number == 0]
        refuse(
            "theseus",
            f"the student has {count} layers and its teacher {available}",
            f"a number of layers that divides {available}: {', '.join(map(str, divisors))}",
            f"set student.layers: {max(number for number in divisors if number <= count)}",
        )
    size = available // count
    return tuple(tuple(teacher_layers[first : first + size]) for first in range(0, available, size))


@contextmanager
def _in_place_of(groups: dict[nn.Module, Sequence[nn.Module]]) -> Iterator[None]:
    """Within, calling one of these layers runs its group."""
    for layer, group in groups.items():
        layer.forward = partial(_run, group)
    try:
        yield
    finally:
        for layer in groups:
            del layer.forward  # the class's own shows again


def _run(group: Sequence[nn.Module], hidden_states: torch.Tensor, *arguments: Any, **options: Any) -> Any:
    """Layer after layer, each called as the first would be; a tuple where the architecture gives tuples."""
    output: Any = hidden_states
    for layer in group:
        states = output[0] if isinstance(output, tuple) else output
        output = layer(states, *arguments, **options)
    return output


@contextmanager
def _without_gradients(parameters: Iterable[nn.Parameter]) -> Iterator[None]:
    """Within, no graph is built through these.

    Afterwards they require gradients again, get none, and an optimiser leaves such parameters as they are, its
    weight decay included. That they require gradients outside is what puts them into the optimiser.
    """
    for parameter in parameters:
        parameter.requires_grad = False
    try:
        yield
    finally:
        for parameter in parameters:
            parameter.requires_grad = True
