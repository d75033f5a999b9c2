"""TinyBERT's loss against equations 7 to 9 in numpy, and what a student learns by it."""

import numpy as np
import pytest
import torch
from layered_models import ENCODERS, LENGTHS, Array, batch_of, hidden_states, model_of, trained, value
from pydantic import ValidationError
from small_models import ARCHITECTURES, small_model
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    PreTrainedModel,
)

from compress.data.rows import NO_LABEL
from compress.distill.logits import Logits
from compress.distill.match import Matching
from compress.distill.tinybert import TinyBert
from compress.errors import ModelError
from compress.models.anatomy import anatomy_of, layers_of
from compress.models.shrink import shrink
from compress.training.lesson import Batch, Lesson


def scores(model: PreTrainedModel, layer: int, state: Array) -> Array:
    """Q K^T / sqrt(d) from the weights and what went into the layer, (batch, heads, tokens, tokens)."""
    anatomy = anatomy_of(model.config, "test")
    heads = int(getattr(model.config, anatomy.heads))

    def project(name: str) -> Array:
        module = layers_of(model, "test")[layer - 1].get_submodule(name)
        assert isinstance(module, torch.nn.Linear)
        values = state @ module.weight.detach().double().numpy().T + module.bias.detach().double().numpy()
        return values.reshape(*state.shape[:2], heads, -1).transpose(0, 2, 1, 3)

    query, key = project(anatomy.query), project(anatomy.key)
    return np.asarray(query @ key.swapaxes(2, 3) / np.sqrt(query.shape[-1]))


def by_hand(
    student: PreTrainedModel,
    teacher: PreTrainedModel,
    pairs: list[tuple[int, int]],
    batch: Batch,
    weights: tuple[float, float, float] = (1, 1, 1),
    projection: Array | None = None,
) -> float:
    """The sum of the layers' losses, text by text without its padding."""
    ours, theirs = hidden_states(student, batch), hidden_states(teacher, batch)
    fit = np.eye(ours[0].shape[2]) if projection is None else projection

    def states(layer: int, teacher_layer: int) -> float:
        squares = [
            ((ours[layer][text, :length] @ fit - theirs[teacher_layer][text, :length]) ** 2).mean(axis=1)
            for text, length in enumerate(LENGTHS)
        ]
        return float(np.concatenate(squares).mean())

    def attention(layer: int, teacher_layer: int) -> float:
        mine = scores(student, layer, ours[layer - 1])
        its = scores(teacher, teacher_layer, theirs[teacher_layer - 1])
        squares = [
            ((mine - its)[text, :, :length, :length] ** 2).ravel() for text, length in enumerate(LENGTHS)
        ]
        return float(np.concatenate(squares).mean())

    total = weights[0] * states(0, 0)
    for layer, teacher_layer in pairs:
        total += weights[1] * states(layer, teacher_layer)
        if weights[2]:
            total += weights[2] * attention(layer, teacher_layer)
    return total


@pytest.mark.parametrize("architecture", ENCODERS)
def test_the_loss_is_the_papers_and_padding_changes_nothing(architecture: str) -> None:
    student, teacher = model_of(architecture, seed=1), model_of(architecture, layers=4, seed=2)
    lesson = TinyBert(method="tinybert").lesson(trained(student), [trained(teacher)], "cpu")
    lesson.eval()
    batch = batch_of(student)
    expected = by_hand(student, teacher, [(1, 2), (2, 4)], batch)
    assert value(lesson, batch) == pytest.approx(expected, rel=1e-4)
    assert value(lesson, batch_of(student, padding=7)) == pytest.approx(expected, rel=1e-4)


def test_weights_and_map_are_those_of_the_recipe() -> None:
    student, teacher = model_of("bert", seed=1), model_of("bert", layers=4, seed=2)
    options = TinyBert.model_validate(
        {
            "method": "tinybert",
            "layer_map": "top",
            "weights": {"embedding": 0.5, "hidden": 2, "attention": 0.25},
        }
    )
    lesson = options.lesson(trained(student), [trained(teacher)], "cpu").eval()
    batch = batch_of(student)
    expected = by_hand(student, teacher, [(1, 3), (2, 4)], batch, (0.5, 2, 0.25))
    assert value(lesson, batch) == pytest.approx(expected, rel=1e-4)


def test_models_of_different_widths_share_one_projection_among_layers_and_embeddings() -> None:
    student, teacher = model_of("bert", width=16, seed=1), model_of("bert", layers=4, seed=2)
    lesson = TinyBert(method="tinybert").lesson(trained(student), [trained(teacher)], "cpu")
    assert isinstance(lesson, Matching)
    (projection,) = lesson.projections.parameters()
    assert projection.shape == (32, 16)
    batch = batch_of(student)
    fit = projection.detach().double().numpy().T
    expected = by_hand(student, teacher, [(1, 2), (2, 4)], batch, projection=fit)
    assert value(lesson.eval(), batch) == pytest.approx(expected, rel=1e-4)
    lesson.train()(**batch)["loss"].backward()
    assert projection.grad is not None
    assert float(projection.grad.abs().max()) > 0
    assert any(parameter is projection for parameter in lesson.parameters())


def test_models_of_equal_widths_have_no_projection() -> None:
    student, teacher = model_of("bert", seed=1), model_of("bert", layers=4, seed=2)
    lesson = TinyBert(method="tinybert").lesson(trained(student), [trained(teacher)], "cpu")
    assert {id(parameter) for parameter in lesson.parameters()} == {id(part) for part in student.parameters()}


def test_narrow_embeddings_of_an_electra_have_a_projection_of_their_own() -> None:
    torch.manual_seed(3)
    config = AutoConfig.for_model("electra", **ARCHITECTURES["electra"] | {"embedding_size": 8})
    student, teacher = (
        AutoModelForSequenceClassification.from_config(config),
        model_of("bert", layers=4, width=16),
    )
    lesson = TinyBert(method="tinybert").lesson(trained(student), [trained(teacher)], "cpu")
    assert isinstance(lesson, Matching)
    shapes = sorted(tuple(parameter.shape) for parameter in lesson.projections.parameters())
    assert shapes == [(16, 8), (16, 32)]
    assert np.isfinite(value(lesson, batch_of(student)))


def test_labels_and_known_logits_do_not_matter() -> None:
    student, teacher = model_of("bert", seed=1), model_of("bert", layers=4, seed=2)
    lesson = TinyBert(method="tinybert").lesson(trained(student), [trained(teacher)], "cpu").eval()
    batch = batch_of(student)
    more = batch | {"labels": torch.full((4,), NO_LABEL), "teacher_logits": torch.randn(4, 3)}
    assert value(lesson, batch) == value(lesson, more)


def test_a_teacher_with_its_own_vocabulary_reads_its_own_ids() -> None:
    student, teacher = model_of("bert", seed=1), model_of("bert", seed=1)
    lesson = TinyBert(method="tinybert").lesson(trained(student), [trained(teacher)], "cpu").eval()
    order = torch.randperm(300, generator=torch.Generator().manual_seed(0))
    place = torch.argsort(order)
    with torch.no_grad():
        embeddings = teacher.get_input_embeddings()
        assert isinstance(embeddings, torch.nn.Embedding)
        embeddings.weight.copy_(embeddings.weight[order].clone())
    batch = batch_of(student)
    assert value(lesson, batch) > 0.1
    batch["teacher_input_ids"] = place[batch["input_ids"]]
    assert value(lesson, batch) == pytest.approx(0, abs=1e-6)


def test_under_automatic_bfloat16_projection_and_loss_are_float32() -> None:
    student, teacher = model_of("bert", width=16, seed=1), model_of("bert", layers=4, seed=2)
    lesson = TinyBert(method="tinybert").lesson(trained(student), [trained(teacher)], "cpu").eval()
    assert isinstance(lesson, Matching)
    seen: list[torch.dtype] = []
    (projection,) = lesson.projections.values()
    projection.register_forward_hook(lambda module, given, output: seen.append(output.dtype))
    batch = batch_of(student)
    with torch.autocast("cpu", torch.bfloat16):
        loss = lesson.loss(batch)
    assert seen == [torch.float32] * 3
    assert loss.dtype == torch.float32
    assert float(loss.detach()) == pytest.approx(value(lesson, batch), rel=0.05)
    loss.backward()  # type: ignore[no-untyped-call]
    assert all(parameter.grad is None for parameter in teacher.parameters())


def distances(student: PreTrainedModel, teacher: PreTrainedModel, batch: Batch) -> list[float]:
    ours, theirs = hidden_states(student, batch), hidden_states(teacher, batch)
    mask = batch["attention_mask"].numpy()[:, :, None]
    return [
        float((((ours[layer] - theirs[teacher_layer]) ** 2) * mask).mean())
        for layer, teacher_layer in ((1, 2), (2, 4))
    ]


def learn(lesson: Lesson, batches: list[Batch], rate: float) -> None:
    optimizer = torch.optim.AdamW(lesson.parameters(), lr=rate)
    lesson.train()
    for batch in batches:
        optimizer.zero_grad()
        lesson(**batch)["loss"].backward()
        optimizer.step()
    lesson.eval()


def test_layers_then_logits_bring_a_student_to_its_teacher() -> None:
    """The whole method on texts that were not learned from; the teacher and the student's head stay as they were."""
    teacher = small_deep_teacher()
    student = shrink(teacher, 2).train()
    before = {name: tensor.clone() for name, tensor in teacher.state_dict().items()}
    head = [parameter.clone() for parameter in student.classifier.parameters()]
    unseen = batch_of(student, seed=999)
    at_first, apart = distances(student.eval(), teacher, unseen), disagreement(student, teacher, unseen)

    lesson = TinyBert(method="tinybert").lesson(trained(student), [trained(teacher)], "cpu")
    assert not {id(part) for part in teacher.parameters()} & {id(part) for part in lesson.parameters()}
    learn(lesson, [batch_of(student, seed=step) for step in range(1, 101)], 3e-3)
    after = distances(student, teacher, unseen)
    assert all(late < 0.3 * early for early, late in zip(at_first, after, strict=True)), (at_first, after)
    assert all(map(torch.equal, head, student.classifier.parameters()))

    batches = [batch_of(student, seed=step) for step in range(101, 161)]
    for batch in batches:
        with torch.no_grad():
            batch["teacher_logits"] = teacher(**batch).logits
    learn(Logits(method="logits").lesson(trained(student), [trained(teacher)], "cpu"), batches, 1e-3)
    assert disagreement(student, teacher, unseen) < 0.2 * apart
    assert all(torch.equal(before[name], tensor) for name, tensor in teacher.state_dict().items())


def small_deep_teacher() -> PreTrainedModel:
    """Four layers, with logits that differ from text to text."""
    return model_of("bert", layers=4, seed=2)


def disagreement(student: PreTrainedModel, teacher: PreTrainedModel, batch: Batch) -> float:
    with torch.no_grad():
        ours, theirs = (model(**batch).logits.softmax(dim=-1) for model in (student, teacher))
    return float((theirs * (theirs.log() - ours.log())).sum(dim=-1).mean())


def test_the_last_state_is_kept_since_the_head_learns_nothing() -> None:
    options = TinyBert(method="tinybert")
    assert options.selects == "last"
    assert options.looks_inside


def test_different_numbers_of_heads_are_refused_unless_attention_is_left_out() -> None:
    student, teacher = model_of("bert", heads=2), model_of("bert", layers=4)
    with pytest.raises(ModelError) as refused:
        TinyBert(method="tinybert").lesson(trained(student), [trained(teacher)], "cpu")
    assert "the student has 2 attention heads and its teacher 4" in refused.value.found
    assert refused.value.expected == "the same number of heads in both"
    assert "weights: {attention: 0}" in refused.value.remedy
    without = TinyBert.model_validate({"method": "tinybert", "weights": {"attention": 0}})
    lesson = without.lesson(trained(student), [trained(teacher)], "cpu").eval()
    batch = batch_of(student)
    expected = by_hand(student, teacher, [(1, 2), (2, 4)], batch, (1, 1, 0))
    assert value(lesson, batch) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(
    ("student", "teachers", "says"),
    [
        ("bert", ["bert", "bert"], "the recipe has 2 teachers"),
        ("modernbert", ["bert"], "matching layers is not possible with a modernbert model"),
        ("deberta-v2", ["deberta-v2"], "attention in a deberta-v2 model depends on relative positions"),
    ],
)
def test_models_that_cannot_be_matched_are_refused(student: str, teachers: list[str], says: str) -> None:
    with pytest.raises(ModelError) as refused:
        TinyBert(method="tinybert").lesson(
            trained(small_model(student)), [trained(small_model(teacher)) for teacher in teachers], "cpu"
        )
    assert says in refused.value.found
    assert refused.value.remedy


def test_a_student_deeper_than_its_teacher_is_refused() -> None:
    with pytest.raises(ModelError, match="the student has 4 layers and its teacher 2"):
        TinyBert(method="tinybert").lesson(
            trained(model_of("bert", layers=4)), [trained(model_of("bert"))], "cpu"
        )


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"weights": {"embedding": 0, "hidden": 0, "attention": 0}}, "every weight is 0"),
        ({"weights": {"hidden": -1}}, "greater than or equal to 0"),
        ({"layer_map": "middle"}, "layer_map"),
        ({"temperature": 2}, "Extra inputs"),
    ],
)
def test_options_that_mean_nothing_are_refused(options: dict[str, object], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        TinyBert.model_validate({"method": "tinybert"} | options)
