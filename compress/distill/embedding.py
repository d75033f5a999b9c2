"""The teacher's sentence embeddings: their directions, and the similarities of the texts of a batch.

What soft targets are to classifiers. Reimers and Gurevych 2020, "Making Monolingual Sentence Embeddings Multilingual
using Knowledge Distillation", learns squared distances; similarities within a batch: `compress.distill.embeddings`.
"""

from collections.abc import Sequence
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from torch import Tensor, nn

from compress.distill.embeddings import TEMPERATURE, Relations, distance_loss, relation_loss
from compress.distill.teaching import refuse
from compress.models.sentence_encoder import HEAD, embedding_width, settings_of
from compress.models.trained import Trained
from compress.training.lesson import Batch, Lesson
from compress.training.options import TrainOptions

Weight = Annotated[float, Field(ge=0)]


class Embedding(TrainOptions):
    """Match the teacher's vectors, which were computed before, and its similarities within each batch.

    A student of another width learns through a linear projection that is thrown away: its own vectors are compared
    with each other and never with the teacher's.
    """

    method: Literal["embedding"]
    # Left out: cosine where the teacher's vectors have length 1, else squared, which keeps their length too.
    distance: Literal["cosine", "squared", "none"] | None = None
    relations: Relations = "gram"
    relations_weight: Weight = 1.0
    temperature: Annotated[float, Field(gt=0, le=10)] = TEMPERATURE  # of relations: kl
    alpha: Annotated[float, Field(ge=0, le=1)] = 1.0  # share of the teacher; the rest is the scores'

    @model_validator(mode="after")
    def _something_to_learn(self) -> Self:
        nothing = self.relations == "none" or not self.relations_weight
        if self.distance == "none" and nothing:
            raise ValueError("distance and relations are none, so nothing would be learned")
        return self

    def lesson(self, student: Trained, teachers: Sequence[Trained], device: str) -> Lesson:  # noqa: ARG002
        """Raises `ModelError` for a model that gives no embeddings."""
        if student.task.head != HEAD:
            refuse(
                self.method,
                f"the task is {student.task.name}, whose answers are no vectors",
                "task: sentence-similarity",
                "take method: logits",
            )
        return _FromVectors(student, teachers[0], self)


class _FromVectors(Lesson):
    """The student, and beside it the projection where widths differ."""

    def __init__(self, student: Trained, teacher: Trained, options: Embedding) -> None:
        super().__init__(student.model)
        ours, theirs = (embedding_width(one.model.config) for one in (student, teacher))
        self.projection: nn.Module = nn.Identity() if ours == theirs else nn.Linear(ours, theirs)
        unit = settings_of(teacher.model.config)["normalize"]
        self._distance = options.distance or ("cosine" if unit else "squared")
        self._options = options

    def loss(self, batch: Batch) -> Tensor:
        options, vectors = self._options, self.answer(batch)
        wanted = batch["teacher_logits"]
        soft = distance_loss(self.projection(vectors), wanted, self._distance)
        if options.relations_weight:
            soft = soft + options.relations_weight * relation_loss(
                vectors, wanted, options.relations, options.temperature
            )
        if options.alpha == 1.0:
            return soft
        if "labels" not in batch:
            refuse(
                options.method, "alpha is below 1, and the data has no scores", "alpha: 1", "take alpha out"
            )
        return options.alpha * soft + (1 - options.alpha) * self.task.hard_loss(vectors, batch["labels"])
