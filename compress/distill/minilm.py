"""MiniLM: the student learns how the tokens of one attention layer relate to each other.

Version 1: Wang et al., "MiniLM" (2020), section 3. Version 2: Wang et al., "MiniLMv2" (2021), section 3.
Nothing goes through the student's head, so it needs a method that trains the head after this one.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar, Literal, Self

import torch
from pydantic import Field, PositiveFloat, PositiveInt, model_validator
from transformers import PreTrainedConfig, PreTrainedModel

from compress.distill.losses import attention_kl, query_key_scores, relation_scores
from compress.distill.teaching import ask, freeze, only_teacher, refuse
from compress.models.anatomy import anatomy_of, head_count, width
from compress.models.features import Features, Kind, Part
from compress.models.shrink import layer_count
from compress.models.trained import Trained
from compress.training.lesson import Batch, Lesson
from compress.training.options import TrainOptions
from export.options import Options

Weight = Annotated[float, Field(ge=0)]
Version = Literal[1, 2]

# By version: the weights that it has, each with the kinds of vectors that its relation is made of.
RELATIONS: Mapping[Version, Mapping[str, tuple[Kind, Kind]]] = {
    1: {"attention_weight": ("query", "key"), "value_weight": ("value", "value")},
    2: {
        "query_weight": ("query", "query"),
        "key_weight": ("key", "key"),
        "value_weight": ("value", "value"),
    },
}


class Assistant(Options):
    """A model between teacher and student, for a large gap ("MiniLM", section 3.3).

    It keeps `layers` of the teacher's layers and learns by the same method before it teaches the student;
    the pipeline builds it and runs both trainings. The paper's assistant differs: it keeps the teacher's depth
    and takes the student's width.
    """

    layers: PositiveInt  # between the student's count and the teacher's
    epochs: PositiveFloat | None = None  # left out: those of the student


class MiniLM(TrainOptions):
    """Match attention and value relations (1), or relations among queries, keys and values (2)."""

    selects: ClassVar[Literal["best", "last"]] = "last"
    looks_inside: ClassVar[bool] = True

    method: Literal["minilm"]
    version: Version = 2
    relation_heads: PositiveInt | None = None  # of version 2; left out: the teacher's heads (the paper: 48)
    teacher_layer: PositiveInt | None = None  # left out: the last; upper-middle for a large one (21 of 24)
    student_layer: PositiveInt | None = None  # left out: the last
    attention_weight: Weight = 1.0  # of version 1
    query_weight: Weight = 1.0  # of version 2
    key_weight: Weight = 1.0  # of version 2
    value_weight: Weight = 1.0
    assistant: Assistant | None = None

    @model_validator(mode="after")
    def _of_its_version(self) -> Self:
        other: Version = 2 if self.version == 1 else 1
        foreign = {*RELATIONS[other], *(["relation_heads"] if other == 2 else [])} - {
            *RELATIONS[self.version]
        }
        given = sorted(foreign & self.model_fields_set)
        if given:
            raise ValueError(f"{', '.join(given)} belongs to version {other}; this is version {self.version}")
        if not any(getattr(self, name) for name in RELATIONS[self.version]):
            raise ValueError(
                f"all of {', '.join(RELATIONS[self.version])} are 0, so nothing would be learned"
            )
        return self

    def lesson(self, student: Trained, teachers: Sequence[Trained], device: str) -> Lesson:
        """KL between relations of one layer each; widths may differ, in version 2 head counts as well.

        Raises `ModelError` for several teachers, head counts that do not go together, an architecture with other
        attention than scaled dot products (version 1), and an assistant outside the two depths.
        """
        teacher = only_teacher(teachers, self.method)
        heads = self._heads(student.model.config, teacher.model.config)
        self._check_assistant(student.model.config, teacher.model.config)
        return _FromRelations(student.model, teacher.model, self, heads, device)

    def _heads(self, student: PreTrainedConfig, teacher: PreTrainedConfig) -> int:
        """How many heads the relations of both have."""
        if self.version == 1:
            self._check_plain_attention(student, teacher)
            if head_count(student) != head_count(teacher):
                refuse(
                    "minilm, version 1,",
                    f"the student has {head_count(student)} attention heads and its teacher {head_count(teacher)}",
                    "equal numbers of heads, since each head learns from one",
                    "set version: 2, whose relation heads do not depend on them",
                )
            return head_count(teacher)
        heads = self.relation_heads or head_count(teacher)
        common = math.gcd(width(student), width(teacher))
        if common % heads:
            divisors = [number for number in range(1, common + 1) if common % number == 0]
            refuse(
                self.method,
                f"{heads} relation heads do not divide the widths of teacher ({width(teacher)}) and student "
                f"({width(student)})",
                f"one of {', '.join(map(str, divisors))}",
                f"set relation_heads: {max(number for number in divisors if number <= heads)}",
            )
        return heads

    def _check_plain_attention(self, *configs: PreTrainedConfig) -> None:
        for config in configs:
            if not anatomy_of(config, "reading attention").plain_attention:
                refuse(
                    "minilm, version 1,",
                    f"a {config.model_type} model's attention is not made of queries and keys alone",
                    "scaled dot products, as in BERT",
                    "set version: 2, which looks at queries, keys and values each by themselves",
                )

    def _check_assistant(self, student: PreTrainedConfig, teacher: PreTrainedConfig) -> None:
        # The ends are allowed: the assistant itself passes here, first as the student, then as the teacher.
        if self.assistant is None:
            return
        least, most = layer_count(student), layer_count(teacher)
        if not least <= self.assistant.layers <= most:
            refuse(
                self.method,
                f"the assistant has {self.assistant.layers} layers, the student {least} and the teacher {most}",
                "an assistant between the two",
                f"set assistant.layers between {least} and {most}, or take assistant out",
            )


class _FromRelations(Lesson):
    def __init__(
        self, student: PreTrainedModel, teacher: PreTrainedModel, options: MiniLM, heads: int, device: str
    ) -> None:
        super().__init__(student)
        self._heads = heads
        self._relations = {
            kinds: float(getattr(options, name)) for name, kinds in RELATIONS[options.version].items()
        }
        self._student_layer = options.student_layer or layer_count(student.config)
        self._teacher_layer = options.teacher_layer or layer_count(teacher.config)
        kinds = {kind for pair in self._relations for kind in pair}
        self._student_features = Features(student, [Part(kind, self._student_layer) for kind in kinds])
        self._teacher_features = Features(teacher, [Part(kind, self._teacher_layer) for kind in kinds])
        self._teacher = freeze(teacher, device)

    def loss(self, batch: Batch) -> torch.Tensor:
        (teacher,) = self._teacher
        ask(teacher, batch)
        self.answer(batch)
        total = batch["input_ids"].new_zeros((), dtype=torch.float32)
        for (left, right), weight in self._relations.items():
            student_scores = self._scores(self._student_features, self._student_layer, left, right)
            teacher_scores = self._scores(self._teacher_features, self._teacher_layer, left, right)
            total = total + weight * attention_kl(student_scores, teacher_scores, batch["attention_mask"])
        self._student_features.clear()
        self._teacher_features.clear()
        return total

    def _scores(self, features: Features, layer: int, left: Kind, right: Kind) -> torch.Tensor:
        if left == right:
            return relation_scores(features[Part(left, layer)], self._heads)
        return query_key_scores(features[Part(left, layer)], features[Part(right, layer)], self._heads)
