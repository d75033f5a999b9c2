"""The general form of layer matching: it says what the published recipes say, and refuses what means nothing."""

import gc
from collections.abc import Mapping

import numpy as np
import pytest
import torch
from layered_models import ENCODERS, LENGTHS, Array, batch_of, hidden_states, model_of, trained, value
from pydantic import ValidationError
from small_models import small_model
from torch.nn import functional
from transformers import (
    PreTrainedModel,
)

from compress.distill.logits import soft_label_sets, soft_targets
from compress.distill.match import LOSSES_OF, Match, Matching
from compress.distill.tinybert import TinyBert
from compress.errors import ModelError
from compress.training.lesson import Batch

FEATURE_AND_LOSS = [(feature, loss) for feature, losses in LOSSES_OF.items() for loss in losses]


def match(*matches: Mapping[str, object], **options: object) -> Match:
    return Match.model_validate({"method": "match", "matches": list(matches)} | options)


def one(feature: str, loss: str, **options: object) -> dict[str, object]:
    """A match of the student's layer 1 with its teacher's layer 2, where the feature has layers."""
    layers = {"student_layer": 1, "teacher_layer": 2} if feature in {"hidden", "attention", "value"} else {}
    return {"feature": feature, "loss": loss} | layers | options


def lesson_of(options: Match | TinyBert, student: PreTrainedModel, teacher: PreTrainedModel) -> Matching:
    """The lesson, in evaluation, so that dropout leaves its loss alone."""
    lesson = options.lesson(trained(student), [trained(teacher)], "cpu").eval()
    assert isinstance(lesson, Matching)
    return lesson


@pytest.mark.parametrize("width", [32, 16])
def test_tinyberts_recipe_can_be_written_down(width: int) -> None:
    student, teacher = model_of("bert", width=width, seed=1), model_of("bert", layers=4, seed=2)
    layers = ({"student_layer": 1, "teacher_layer": 2}, {"student_layer": 2, "teacher_layer": 4})
    listed = match(
        {"feature": "embedding", "loss": "mse", "weight": 0.5},
        *({"feature": "hidden", "loss": "mse", "weight": 2} | places for places in layers),
        *({"feature": "attention", "loss": "mse", "weight": 3} | places for places in layers),
    )
    tinybert = TinyBert.model_validate(
        {"method": "tinybert", "weights": {"embedding": 0.5, "hidden": 2, "attention": 3}}
    )
    ours, papers = lesson_of(listed, student, teacher), lesson_of(tinybert, student, teacher)
    if width != 32:  # the paper has one projection for all, a list of matches one for each
        (shared,) = papers.projections.parameters()
        assert len(ours.projections) == 3
        with torch.no_grad():
            for projection in ours.projections.parameters():
                projection.copy_(shared)
    batch = batch_of(student)
    assert value(ours, batch) == pytest.approx(value(papers, batch), rel=1e-5)
    assert value(ours, batch) > 0.1


@pytest.mark.parametrize(("name", "teacher_layers"), [("skip", (2, 4)), ("last", (4, 5))])
def test_patient_distillation_can_be_written_down(name: str, teacher_layers: tuple[int, ...]) -> None:
    """PKD-skip takes every second layer, PKD-last the last ones, both without the very last."""
    student, teacher = model_of("bert", layers=3, seed=1), model_of("bert", layers=6, seed=2)
    listed = match(
        *(
            {"feature": "hidden", "loss": "pkd", "student_layer": layer, "teacher_layer": teacher_layer}
            for layer, teacher_layer in enumerate(teacher_layers, start=1)
        )
    )
    batch = batch_of(student)
    ours, theirs = hidden_states(student, batch), hidden_states(teacher, batch)
    expected = 0.0
    for layer, teacher_layer in enumerate(teacher_layers, start=1):
        for mine, its in zip(ours[layer][:, 0], theirs[teacher_layer][:, 0], strict=True):
            expected += float(((mine / np.linalg.norm(mine) - its / np.linalg.norm(its)) ** 2).sum())
    assert value(lesson_of(listed, student, teacher), batch) == pytest.approx(
        expected / len(LENGTHS), rel=1e-4
    )


@pytest.mark.parametrize("architecture", ENCODERS)
def test_distilberts_cosine_can_be_written_down(architecture: str) -> None:
    student, teacher = model_of(architecture, seed=1), model_of(architecture, layers=4, seed=2)
    listed = match(
        {"feature": "hidden", "loss": "cosine", "student_layer": 2, "teacher_layer": 4, "weight": 1.5}
    )
    batch = batch_of(student)
    ours, theirs = hidden_states(student, batch)[2], hidden_states(teacher, batch)[4]
    distances = [
        1 - mine @ its / np.linalg.norm(mine) / np.linalg.norm(its)
        for text, length in enumerate(LENGTHS)
        for mine, its in zip(ours[text, :length], theirs[text, :length], strict=True)
    ]
    expected = 1.5 * float(np.mean(distances))
    assert value(lesson_of(listed, student, teacher), batch) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("loss", ["kl", "mse"])
def test_minilms_value_relations_can_be_written_down(loss: str) -> None:
    """softmax(V V^T / sqrt(d)) of each head, from the weights and what went into the layers."""
    student, teacher = model_of("bert", width=16, seed=1), model_of("bert", layers=4, seed=2)
    listed = match({"feature": "value", "loss": loss, "student_layer": 2, "teacher_layer": 4})
    batch = batch_of(student)

    def relations(model: PreTrainedModel, layer: int) -> Array:
        module = model.bert.encoder.layer[layer - 1].attention.self.value
        weight, bias = (part.detach().double().numpy() for part in (module.weight, module.bias))
        values = hidden_states(model, batch)[layer - 1] @ weight.T + bias
        values = values.reshape(*values.shape[:2], 4, -1).transpose(0, 2, 1, 3)
        scores = values @ values.swapaxes(2, 3) / np.sqrt(values.shape[-1])
        powers = np.exp(scores) * batch["attention_mask"].numpy()[:, None, None, :]
        return np.asarray(powers / powers.sum(axis=-1, keepdims=True))

    ours, theirs = relations(student, 2), relations(teacher, 4)
    found = []
    for text, length in enumerate(LENGTHS):
        mine, its = ours[text, :, :length, :length], theirs[text, :, :length, :length]
        found.append(
            ((mine - its) ** 2).ravel() if loss == "mse" else (its * np.log(its / mine)).sum(axis=-1).ravel()
        )
    expected = float(np.concatenate(found).mean())
    assert value(lesson_of(listed, student, teacher), batch) == pytest.approx(expected, rel=1e-3)


def test_attention_is_what_the_model_attends_with() -> None:
    """KL of attention against the maps that transformers itself gives, under eager attention."""
    student, teacher = model_of("bert", width=16, seed=1), model_of("bert", layers=4, seed=2)
    batch = batch_of(student)
    listed = value(lesson_of(match(one("attention", "kl")), student, teacher), batch)
    maps = []
    for model, layer in ((student, 1), (teacher, 2)):
        model.set_attn_implementation("eager")
        with torch.no_grad():
            maps.append(model(**batch, output_attentions=True).attentions[layer - 1].double().numpy())
    divergences = []
    for text, length in enumerate(LENGTHS):
        mine, its = (found[text, :, :length, :length] for found in maps)
        divergences.append((its * np.log(its / mine)).sum(axis=-1).ravel())
    assert listed == pytest.approx(float(np.concatenate(divergences).mean()), rel=1e-3)


@pytest.mark.parametrize("architecture", ENCODERS)
def test_the_pooler_is_the_vector_before_the_output(architecture: str) -> None:
    """By the classifier's last layer: what it makes of this vector are the logits."""
    student, teacher = model_of(architecture, seed=1), model_of(architecture, seed=2)
    batch = batch_of(student)
    with torch.no_grad():
        distance = 0.0
        for mine, its in zip(_pooled(student, batch), _pooled(teacher, batch), strict=True):
            distance += float((mine - its).square().mean())
    found = value(lesson_of(match(one("pooler", "mse")), student, teacher), batch)
    assert found == pytest.approx(distance / len(LENGTHS), rel=1e-4)


def _pooled(model: PreTrainedModel, batch: Batch) -> torch.Tensor:
    first = model(**batch, output_hidden_states=True).hidden_states[-1][:, 0]
    if model.config.model_type == "bert":
        pooled = torch.tanh(model.bert.pooler.dense(first))
    elif model.config.model_type == "distilbert":
        pooled = model.pre_classifier(first)
    else:
        pooled = model.classifier.dense(first)
    assert isinstance(pooled, torch.Tensor)
    return pooled


@pytest.mark.parametrize(("feature", "loss"), FEATURE_AND_LOSS)
@pytest.mark.parametrize("architecture", ENCODERS)
def test_padding_changes_nothing_and_the_student_learns(architecture: str, feature: str, loss: str) -> None:
    """For every feature and loss that go together, between models of different widths."""
    student, teacher = model_of(architecture, width=16, seed=1), model_of(architecture, layers=3, seed=2)
    lesson = lesson_of(match(one(feature, loss)), student, teacher)
    batch = batch_of(student)
    with torch.autocast("cpu", torch.bfloat16):
        assert lesson.loss(batch).dtype == torch.float32
    short = lesson.loss(batch)
    assert float(short.detach()) == pytest.approx(value(lesson, batch_of(student, padding=7)), rel=1e-4)
    short.backward()  # type: ignore[no-untyped-call]
    gradients = [part.grad for part in lesson.student.parameters() if part.grad is not None]
    assert max(float(gradient.abs().max()) for gradient in gradients) > 0
    assert all(bool(gradient.isfinite().all()) for gradient in gradients)
    projected = feature in {"embedding", "hidden", "pooler"} and loss != "mmd"
    assert [tuple(part.shape) for part in lesson.projections.parameters()] == [(32, 16)] * projected
    assert all(part.grad is not None for part in lesson.projections.parameters())
    assert all(part.grad is None for part in teacher.parameters())
    assert not {id(part) for part in teacher.parameters()} & {id(part) for part in lesson.parameters()}


def test_projections_belong_to_pairs_of_layers() -> None:
    student, teacher = model_of("bert", width=16, seed=1), model_of("bert", layers=3, seed=2)
    listed = match(
        one("hidden", "mse"),
        one("hidden", "gram"),
        one("hidden", "mse", student_layer=2),
        one("embedding", "cosine"),
        one("pooler", "pkd"),
    )
    assert len(lesson_of(listed, student, teacher).projections) == 4


def test_heads_may_differ_in_number() -> None:
    """Then it is the heads' mean that is matched, each model's with its own number of heads."""
    student, teacher = model_of("bert", heads=2, seed=1), model_of("bert", layers=3, seed=2)
    batch = batch_of(student)

    def scores(model: PreTrainedModel, layer: int, heads: int) -> Array:
        module = model.bert.encoder.layer[layer - 1].attention.self
        state = torch.from_numpy(hidden_states(model, batch)[layer - 1]).float()
        with torch.no_grad():
            query, key = (part(state).unflatten(-1, (heads, -1)) for part in (module.query, module.key))
        products = torch.einsum("bqhd,bkhd->bhqk", query, key) / (32 / heads) ** 0.5
        return np.asarray(products.mean(dim=1).double().numpy())

    difference = scores(student, 1, 2) - scores(teacher, 2, 4)
    squares = [(difference[text, :length, :length] ** 2).ravel() for text, length in enumerate(LENGTHS)]
    lesson = lesson_of(match(one("attention", "mse")), student, teacher)
    assert value(lesson, batch) == pytest.approx(float(np.concatenate(squares).mean()), rel=1e-4)


def test_a_lesson_that_is_over_leaves_no_hooks_in_the_models() -> None:
    student, teacher = model_of("bert", seed=1), model_of("bert", layers=3, seed=2)
    lesson = lesson_of(match(one("attention", "mse"), one("hidden", "mse")), student, teacher)
    value(lesson, batch_of(student))
    models = [*student.modules(), *teacher.modules()]
    assert any(module._forward_hooks for module in models)
    del lesson
    gc.collect()
    assert not any(module._forward_hooks for module in models)


@pytest.mark.parametrize("loss", ["kl", "ce", "mse"])
def test_known_logits_are_taken_and_else_the_teacher_is_asked(loss: str) -> None:
    student, teacher = model_of("bert", seed=1), model_of("bert", layers=3, seed=2)
    batch = batch_of(student)
    with torch.no_grad():
        ours, theirs = student(**batch).logits, teacher(**batch).logits
    expected = {
        "kl": soft_targets(ours, theirs, None, 3.0, 1.0),
        "ce": 9 * functional.cross_entropy(ours / 3, (theirs / 3).softmax(dim=-1)),
        "mse": functional.mse_loss(ours, theirs),
    }[loss]
    alone = lesson_of(match(one("logits", loss), temperature=3.0), student, teacher)
    assert value(alone, batch) == pytest.approx(float(expected), rel=1e-4)
    known = batch | {"teacher_logits": theirs}
    calls: list[object] = []
    teacher.register_forward_hook(lambda *given: calls.append(given))
    assert value(alone, known) == pytest.approx(float(expected), rel=1e-4)
    assert not calls  # nobody needs to ask it
    both = lesson_of(match(one("logits", loss), one("hidden", "mse"), temperature=3.0), student, teacher)
    inside = lesson_of(match(one("hidden", "mse")), student, teacher)
    other = batch | {"teacher_logits": theirs + torch.tensor([1.0, -2.0, 0.5])}
    assert value(both, known) == pytest.approx(float(expected) + value(inside, batch), rel=1e-4)
    assert abs(value(both, other) - value(both, known)) > 1e-2


def test_several_labels_per_text_have_the_loss_of_their_own() -> None:
    student, teacher = model_of("bert", seed=1), model_of("bert", layers=3, seed=2)
    student.config.problem_type = "multi_label_classification"
    batch = batch_of(student)
    with torch.no_grad():
        expected = soft_label_sets(student(**batch).logits, teacher(**batch).logits, None, 2.0, 1.0)
    assert value(lesson_of(match(one("logits", "kl")), student, teacher), batch) == pytest.approx(
        float(expected)
    )


def test_the_best_state_is_kept_only_where_the_head_learns() -> None:
    assert match(one("hidden", "mse")).selects == "last"
    assert match(one("pooler", "mse")).selects == "last"
    assert match(one("hidden", "mse"), one("logits", "kl")).selects == "best"
    assert match(one("hidden", "mse")).looks_inside


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        (
            one("attention", "pkd"),
            "loss: pkd does not go with feature: attention; for attention take mse, kl, ce",
        ),
        (one("hidden", "kl"), "loss: kl does not go with feature: hidden"),
        (one("logits", "mmd"), "loss: mmd does not go with feature: logits"),
        (one("embedding", "pkd"), "loss: pkd does not go with feature: embedding"),
        (one("pooler", "gram"), "for pooler take mse, cosine, pkd"),
        ({"feature": "hidden", "loss": "mse", "student_layer": 1}, "needs teacher_layer and student_layer"),
        (one("logits", "kl", student_layer=1), "feature: logits belongs to no layer"),
        (one("hidden", "mse", weight=0), "greater than 0"),
        (one("hidden", "mse", student_layer=-1), "greater than or equal to 0"),
        (one("hidden", "huber"), "loss"),
    ],
)
def test_a_match_that_means_nothing_is_refused(entry: dict[str, object], says: str) -> None:
    with pytest.raises(ValidationError) as refused:
        match(entry)
    assert says in str(refused.value)


def test_an_empty_list_is_refused() -> None:
    with pytest.raises(ValidationError, match="at least 1 item"):
        match()


@pytest.mark.parametrize(
    ("entry", "found", "remedy"),
    [
        (
            one("hidden", "mse", student_layer=3),
            "matches[0] names student_layer 3, and the student has 2",
            "student_",
        ),
        (
            one("value", "kl", teacher_layer=7),
            "matches[0] names teacher_layer 7, and the teacher has 3",
            "teacher_",
        ),
    ],
)
def test_a_layer_that_is_not_there_is_refused(entry: dict[str, object], found: str, remedy: str) -> None:
    with pytest.raises(ModelError) as refused:
        lesson_of(match(entry), model_of("bert"), model_of("bert", layers=3))
    assert found in refused.value.found
    assert remedy in refused.value.remedy


@pytest.mark.parametrize(
    ("problem", "loss", "remedy"),
    [("regression", "kl", "set loss: mse"), ("multi_label_classification", "ce", "set loss: kl")],
)
def test_a_loss_for_one_label_is_refused_where_there_are_others(problem: str, loss: str, remedy: str) -> None:
    student, teacher = model_of("bert"), model_of("bert", layers=3)
    student.config.problem_type = problem
    with pytest.raises(ModelError) as refused:
        lesson_of(match(one("logits", loss)), student, teacher)
    assert problem in refused.value.found
    assert remedy in refused.value.remedy


def test_attention_with_relative_positions_is_refused_and_its_hidden_states_are_not() -> None:
    student, teacher = small_model("deberta-v2"), small_model("deberta-v2")
    with pytest.raises(ModelError) as refused:
        lesson_of(match(one("attention", "mse")), student, teacher)
    assert "depends on relative positions" in refused.value.found
    assert "feature: hidden or value" in refused.value.remedy
    lesson = lesson_of(match(one("hidden", "mse"), one("value", "kl")), student, teacher)
    assert value(lesson, batch_of(student)) > 0
