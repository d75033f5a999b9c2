"""Layer matching in its general form: any feature of any layer, by any loss that suits it.

What the published recipes have in common: TinyBERT's layers, PKD's first tokens, DistilBERT's directions,
MiniLM's relations, TextBrewer's `intermediate_matches` are lists of such matches.
"""

from collections.abc import Callable, Sequence
from typing import Annotated, ClassVar, Literal, Self
from weakref import finalize

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from transformers import PreTrainedConfig, PreTrainedModel

from compress.distill import losses
from compress.distill.teaching import ask, freeze, only_teacher, refuse
from compress.models.anatomy import anatomy_of, layers_of, width
from compress.models.features import Features, Part
from compress.models.trained import Trained
from compress.tasks.interface import Imitation
from compress.training.lesson import Batch, Lesson
from compress.training.options import TrainOptions
from export.options import Options

Feature = Literal["embedding", "hidden", "attention", "value", "pooler", "logits"]
LossName = Literal["mse", "cosine", "kl", "ce", "mmd", "gram", "pkd"]
Loss = Callable[[Tensor, Tensor, Tensor], Tensor]

STATE_LOSSES: dict[str, Loss] = {
    "mse": losses.mse,
    "cosine": losses.cosine,
    "gram": losses.gram,
    "mmd": losses.mmd,
    "pkd": losses.pkd,
}
ATTENTION_LOSSES: dict[str, Loss] = {
    "mse": losses.attention_mse,
    "kl": losses.attention_kl,
    "ce": losses.attention_ce,
}
# The first token's embedding is the same for every text, so there is nothing in it for pkd.
LOSSES_OF: dict[Feature, tuple[LossName, ...]] = {
    "embedding": ("mse", "cosine", "gram", "mmd"),
    "hidden": ("mse", "cosine", "gram", "mmd", "pkd"),
    "attention": ("mse", "kl", "ce"),
    "value": ("mse", "kl", "ce"),
    "pooler": ("mse", "cosine", "pkd"),
    "logits": ("mse", "cosine", "kl", "ce"),
}
IN_LAYERS: tuple[Feature, ...] = ("hidden", "attention", "value")
PROJECTED: tuple[Feature, ...] = ("embedding", "hidden", "pooler")
LayerNumber = Annotated[int, Field(ge=0)]


class LayerMatch(Options):
    """One thing that the student computes, held against one that its teacher computes.

    Layers are counted from 1. `hidden` is a layer's output, `attention` its scores before the softmax,
    `value` the relations softmax(V V^T / sqrt(d)); these three need both layers, the others have none.
    """

    feature: Feature
    loss: LossName
    teacher_layer: LayerNumber = 0
    student_layer: LayerNumber = 0
    weight: Annotated[float, Field(gt=0)] = 1

    @model_validator(mode="after")
    def _goes_together(self) -> Self:
        if self.loss not in LOSSES_OF[self.feature]:
            raise ValueError(
                f"loss: {self.loss} does not go with feature: {self.feature}; "
                f"for {self.feature} take {', '.join(LOSSES_OF[self.feature])}"
            )
        layers = (self.teacher_layer, self.student_layer)
        if self.feature in IN_LAYERS and 0 in layers:
            raise ValueError(
                f"feature: {self.feature} needs teacher_layer and student_layer, counted from 1 "
                "(the embeddings' output is feature: embedding)"
            )
        if self.feature not in IN_LAYERS and any(layers):
            raise ValueError(f"feature: {self.feature} belongs to no layer; leave out the layers")
        return self


class Match(TrainOptions):
    """Match what the recipe lists, each with its weight; the loss is the weighted sum."""

    looks_inside: ClassVar[bool] = True

    method: Literal["match"]
    matches: Annotated[list[LayerMatch], Field(min_length=1)]
    temperature: Annotated[float, Field(gt=0, le=100)] = 2.0  # of logits by kl or ce

    @property
    def selects(self) -> Literal["best", "last"]:  # type: ignore[override]  # it depends on the matches
        """The best state by the metric where the head is trained by the teacher's logits, else the last."""
        return "best" if any(match.feature == "logits" for match in self.matches) else "last"

    def lesson(self, student: Trained, teachers: Sequence[Trained], device: str) -> Lesson:
        """The teacher answers beside the student; raises `ModelError` where a match does not fit the models.

        Where widths differ, a linear projection without bias is learned for each pair of layers (and for the
        embeddings, and for the pooler), from the student's width to the teacher's; `mmd` needs none.
        """
        teacher = only_teacher(teachers, self.method)
        return Matching(
            student, teacher, self.matches, device, method=self.method, temperature=self.temperature
        )


class Matching(Lesson):
    """The weighted sum of matches; trains the student and the projections.

    With `one_projection` all matches of the same two widths share one projection.
    """

    def __init__(
        self,
        student: Trained,
        teacher: Trained,
        matches: Sequence[LayerMatch],
        device: str,
        *,
        method: str,
        temperature: float = 1.0,
        one_projection: bool = False,
    ) -> None:
        super().__init__(student.model)
        self._matches = tuple(matches)
        self._temperature = temperature
        self._one_projection = one_projection
        task = student.task
        problem = getattr(student.model.config, "problem_type", None) if task.has_head else None
        self._problem = problem or task.name
        _check_layers(student.model, teacher.model, matches, method)
        _check_attention(student.model, teacher.model, matches, method)
        _check_logits(self._problem, matches, method)
        if not task.has_head:
            _check_vectors(student.model.config, teacher.model.config, matches, method)
        self._teacher = freeze(teacher.model, device)
        ours = [part for match in matches for part in _parts(match, match.student_layer)]
        theirs = [part for match in matches for part in _parts(match, match.teacher_layer)]
        self._looks_inside = bool(theirs)
        self._ours, self._theirs = Features(student.model, ours), Features(teacher.model, theirs)
        # The models live on in later stages, which need no hooks.
        for features in (self._ours, self._theirs):
            finalize(self, features.close)
        self.projections = nn.ModuleDict(self._new_projections())

    def loss(self, batch: Batch) -> Tensor:
        """The sum over matches, in float32; labels are not looked at."""
        logits, teacher_logits = self.answer(batch), self._teacher_logits(batch)
        with losses.full_precision(logits):
            total = torch.stack(
                [
                    match.weight * self._loss_of(match, batch, logits, teacher_logits)
                    for match in self._matches
                ]
            ).sum()
        self._ours.clear()
        self._theirs.clear()
        return total

    def _new_projections(self) -> dict[str, nn.Module]:
        projections: dict[str, nn.Module] = {}
        for match in self._matches:
            if match.feature not in PROJECTED or match.loss == "mmd":
                continue
            ours, theirs = _width(self.student, match), _width(self._teacher[0], match)
            if ours != theirs:
                projections.setdefault(self._projection_name(match), nn.Linear(ours, theirs, bias=False))
        return projections

    def _teacher_logits(self, batch: Batch) -> Tensor:
        known = batch.get("teacher_logits")
        if known is not None and not self._looks_inside:
            return known
        answered = ask(self._teacher[0], batch)
        return answered if known is None else known

    def _loss_of(self, match: LayerMatch, batch: Batch, logits: Tensor, teacher_logits: Tensor) -> Tensor:
        if match.feature == "logits":
            return self._logits_loss(match.loss, logits, teacher_logits)
        ours, theirs = _parts(match, match.student_layer), _parts(match, match.teacher_layer)
        if match.feature in {"attention", "value"}:
            scores, teacher_scores = _scores(self._ours, ours), _scores(self._theirs, theirs)
            return _attention_loss(match, scores, teacher_scores, batch["attention_mask"])
        state, teacher_state = self._ours[ours[0]].float(), self._theirs[theirs[0]].float()
        mask = batch["attention_mask"]
        if match.feature == "pooler":
            (state, mask), (teacher_state, _) = losses.as_token(state), losses.as_token(teacher_state)
        return STATE_LOSSES[match.loss](self._projected(state, match), teacher_state, mask)

    def _logits_loss(self, loss: LossName, logits: Tensor, teacher_logits: Tensor) -> Tensor:
        if loss == "ce":
            return losses.logits_ce(logits, teacher_logits, self._temperature)
        if loss == "kl":
            return self.task.soft_loss(logits, teacher_logits, None, Imitation(self._temperature))
        (ours, mask), (theirs, _) = losses.as_token(logits), losses.as_token(teacher_logits)
        return STATE_LOSSES[loss](ours, theirs, mask)

    def _projected(self, state: Tensor, match: LayerMatch) -> Tensor:
        name = self._projection_name(match)
        if match.loss == "mmd" or name not in self.projections:
            return state
        projected: Tensor = self.projections[name](state)
        return projected

    def _projection_name(self, match: LayerMatch) -> str:
        if self._one_projection:
            return f"{_width(self.student, match)}_to_{_width(self._teacher[0], match)}"
        if match.feature == "hidden":
            return f"hidden_{match.student_layer}_to_{match.teacher_layer}"
        return match.feature


def _parts(match: LayerMatch, layer: int) -> tuple[Part, ...]:
    """What is read in a model for one side of a match; nothing for its logits."""
    if match.feature == "logits":
        return ()
    if match.feature == "pooler":
        return (Part("pooler"),)
    if match.feature == "attention":
        return Part("query", layer), Part("key", layer)
    return (Part("value" if match.feature == "value" else "hidden", layer),)


def _scores(features: Features, parts: tuple[Part, ...]) -> Tensor:
    """Products of query and key, or of values with each other, (batch, heads, tokens, tokens)."""
    return losses.query_key_scores(features[parts[0]], features[parts[-1]], features.heads)


def _attention_loss(match: LayerMatch, scores: Tensor, teacher_scores: Tensor, mask: Tensor) -> Tensor:
    if match.feature == "value" and match.loss == "mse":
        # Relations are what comes after the softmax, which kl and ce take themselves.
        scores = losses.attention_probabilities(scores, mask)
        teacher_scores = losses.attention_probabilities(teacher_scores, mask)
    return ATTENTION_LOSSES[match.loss](scores, teacher_scores, mask)


def _width(model: PreTrainedModel, match: LayerMatch) -> int:
    """The width of a hidden state; ELECTRA's embeddings have one of their own before they are projected."""
    if match.feature == "embedding":
        return int(getattr(model.config, "embedding_size", 0) or width(model.config))
    return width(model.config)


def _check_layers(
    student: PreTrainedModel, teacher: PreTrainedModel, matches: Sequence[LayerMatch], method: str
) -> None:
    for side, model in (("student", student), ("teacher", teacher)):
        layers = len(layers_of(model, f"matching the {side}'s layers"))
        for place, match in enumerate(matches):
            named = match.student_layer if side == "student" else match.teacher_layer
            if named > layers:
                refuse(
                    method,
                    f"matches[{place}] names {side}_layer {named}, and the {side} has {layers} layers",
                    f"a {side}_layer from 1 to {layers}",
                    f"correct {side}_layer in the recipe's distill:",
                )


def _check_attention(
    student: PreTrainedModel, teacher: PreTrainedModel, matches: Sequence[LayerMatch], method: str
) -> None:
    if not any(match.feature == "attention" for match in matches):
        return
    for model in (student, teacher):
        if not anatomy_of(model.config, "reading attention").plain_attention:
            refuse(
                method,
                f"attention in a {model.config.model_type} model depends on relative positions, not on query and "
                "key alone",
                "attention scores that are products of query and key, for feature: attention",
                "match feature: hidden or value instead (method tinybert: set weights: {attention: 0})",
            )


def _check_logits(problem: str | None, matches: Sequence[LayerMatch], method: str) -> None:
    fits: dict[str, tuple[LossName, ...]] = {
        "regression": ("mse",),
        "multi_label_classification": ("mse", "cosine", "kl"),
        "sentence-similarity": ("mse", "cosine", "kl"),
        "question-answering": ("ce", "kl"),  # what cannot be an answer has no logit
    }
    for match in matches:
        if match.feature == "logits" and problem in fits and match.loss not in fits[problem]:
            refuse(
                method,
                f"loss: {match.loss} of logits is not made for the task, which is {problem}",
                f"one of {', '.join(fits[problem])}",
                f"set loss: {fits[problem][-1]} for feature: logits",
            )


def _check_vectors(
    student: PreTrainedConfig, teacher: PreTrainedConfig, matches: Sequence[LayerMatch], method: str
) -> None:
    """Of sentence encoders the logits are vectors, which are held against each other number by number."""
    ours, theirs = width(student), width(teacher)
    if ours != theirs and any(one.feature == "logits" and one.loss != "kl" for one in matches):
        refuse(
            method,
            f"the student's vectors have {ours} numbers and its teacher's {theirs}",
            "equal widths, for feature: logits",
            "set loss: kl, which compares similarities, or take method: embedding, which learns a projection",
        )
