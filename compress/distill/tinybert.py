"""TinyBERT: the student's layers learn what the teacher's layers compute.

Jiao et al., "TinyBERT: Distilling BERT for Natural Language Understanding" (2020), section 3.1. This is
the stage of the layers alone; the paper's prediction layer (equation 10) is a stage of its own,
`method: logits`.
"""

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from compress.distill.layer_map import LayerMap, layer_pairs
from compress.distill.match import LayerMatch, Matching
from compress.distill.teaching import only_teacher, refuse
from compress.models.anatomy import head_count, layers_of
from compress.models.trained import Trained
from compress.training.lesson import Lesson
from compress.training.options import TrainOptions
from export.options import Options

Weight = Annotated[float, Field(ge=0)]


class TinyBertWeights(Options):
    """How much each part counts; 0 leaves it out."""

    embedding: Weight = 1
    hidden: Weight = 1
    attention: Weight = 1

    @model_validator(mode="after")
    def _something_is_left(self) -> Self:
        if not (self.embedding or self.hidden or self.attention):
            raise ValueError("every weight is 0, so there is nothing to learn; leave one above 0")
        return self


class TinyBert(TrainOptions):
    """Match embeddings, and in each layer of the student hidden states and attention scores.

    Follow it with `method: logits`, which trains the head.
    """

    # The head, which the metric looks at, learns nothing here.
    selects: ClassVar[Literal["best", "last"]] = "last"
    looks_inside: ClassVar[bool] = True

    method: Literal["tinybert"]
    layer_map: LayerMap = "uniform"
    weights: TinyBertWeights = TinyBertWeights()

    def lesson(self, student: Trained, teachers: Sequence[Trained], device: str) -> Lesson:
        """The sum over mapped layers of equations 7 to 9, each a mean over valid tokens.

        Where widths differ, one projection without bias is learned for all layers and the embeddings (W_h and
        W_e of the paper, which its code shares too). Raises `ModelError` where the models' layers or heads do
        not go together.
        """
        teacher = only_teacher(teachers, self.method)
        layers, teacher_layers = (
            len(layers_of(model, "matching layers")) for model in (student.model, teacher.model)
        )
        pairs = layer_pairs(self.layer_map, layers, teacher_layers, self.method)
        if self.weights.attention:
            self._check_heads(student, teacher)
        return Matching(
            student, teacher, self._matches(pairs), device, method=self.method, one_projection=True
        )

    def _matches(self, pairs: Sequence[tuple[int, int]]) -> list[LayerMatch]:
        weights, matches = self.weights, []
        if weights.embedding:
            matches.append(LayerMatch(feature="embedding", loss="mse", weight=weights.embedding))
        for layer, teacher_layer in pairs:
            places = {"student_layer": layer, "teacher_layer": teacher_layer}
            if weights.hidden:
                matches.append(LayerMatch(feature="hidden", loss="mse", weight=weights.hidden, **places))
            if weights.attention:
                matches.append(
                    LayerMatch(feature="attention", loss="mse", weight=weights.attention, **places)
                )
        return matches

    def _check_heads(self, student: Trained, teacher: Trained) -> None:
        ours, theirs = head_count(student.model.config), head_count(teacher.model.config)
        if ours != theirs:
            refuse(
                self.method,
                f"the student has {ours} attention heads and its teacher {theirs}, "
                "and attention is matched head by head",
                "the same number of heads in both",
                "set weights: {attention: 0}, or take another student",
            )
