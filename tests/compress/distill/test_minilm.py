"""MiniLM's relations against the papers' formulas in plain numpy."""

from typing import Any

import numpy as np
import pytest
import torch
from lessons import (
    MINILM,
    PAD,
    Array,
    array,
    divergence,
    loss_of,
    make,
    optimizer_of,
    padded,
    ragged_batch,
    softmax,
    teach,
    topic_batches,
    topic_teacher,
    trained,
)
from pydantic import ValidationError
from transformers import PreTrainedModel

from compress.distill.minilm import MiniLM
from compress.errors import ModelError
from compress.models.anatomy import ANATOMIES, layers_of
from compress.models.shrink import shrink
from compress.training.lesson import Batch, Lesson

ENCODERS = ["bert", "roberta", "distilbert", "electra", MINILM]


def lesson_of(student: PreTrainedModel, teacher: PreTrainedModel, **options: Any) -> Lesson:
    method = MiniLM(method="minilm", **options)
    return method.lesson(trained(student), [trained(teacher)], "cpu").eval()


def vectors(model: PreTrainedModel, batch: Batch, layer: int, part: str) -> Array:
    """What a projection of a layer gives: (batch, tokens, width), from the layer's input and its weights."""
    with torch.no_grad():
        states = model(
            input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], output_hidden_states=True
        ).hidden_states[layer - 1]
    projection = layers_of(model, "testing")[layer - 1].get_submodule(
        getattr(ANATOMIES[model.config.model_type], part)
    )
    weight, bias = (array(parameter) for parameter in projection.parameters())
    return np.asarray(array(states) @ weight.T + bias)


def relation(left: Array, right: Array, heads: int, head: int) -> Array:
    """One head's distributions for one text: (tokens, tokens)."""
    size = left.shape[-1] // heads
    place = slice(head * size, (head + 1) * size)
    return softmax(left[:, place] @ right[:, place].T / np.sqrt(size))


def by_hand(
    student: PreTrainedModel,
    teacher: PreTrainedModel,
    batch: Batch,
    pairs: dict[tuple[str, str], float],
    heads: int,
    layers: tuple[int, int],
) -> float:
    """Weighted sum over relations of the mean KL over heads and query positions, each text by itself."""
    total = 0.0
    for (left, right), weight in pairs.items():
        ours = [vectors(student, batch, layers[0], part) for part in (left, right)]
        theirs = [vectors(teacher, batch, layers[1], part) for part in (left, right)]
        values = []
        for row, length in enumerate(batch["attention_mask"].sum(dim=1).tolist()):
            for head in range(heads):
                target = relation(theirs[0][row, :length], theirs[1][row, :length], heads, head)
                own = relation(ours[0][row, :length], ours[1][row, :length], heads, head)
                values += [divergence(target[query], own[query]) for query in range(length)]
        total += weight * float(np.mean(values))
    return total


SELF = {("query", "query"): 1.0, ("key", "key"): 1.0, ("value", "value"): 1.0}


@pytest.mark.parametrize("architecture", ENCODERS)
def test_version_2_is_the_mean_divergence_of_three_relations(architecture: str) -> None:
    student, teacher = make(architecture, 2), make(architecture, 3, seed=1)
    batch = ragged_batch(pad=PAD.get(architecture, 0))
    heads = 12 if architecture == MINILM else 4
    loss = loss_of(lesson_of(student, teacher), batch)
    assert loss == pytest.approx(by_hand(student, teacher, batch, SELF, heads, (2, 3)), abs=1e-5)
    assert loss > 0.05  # nothing is flat


def test_relation_heads_layers_and_weights_are_those_that_were_asked_for() -> None:
    student, teacher = make("bert", 3), make("bert", 4, seed=1)
    batch = ragged_batch()
    lesson = lesson_of(
        student,
        teacher,
        relation_heads=8,
        teacher_layer=2,
        student_layer=1,
        query_weight=2.0,
        key_weight=0.0,
        value_weight=0.5,
    )
    pairs = {("query", "query"): 2.0, ("value", "value"): 0.5}
    assert loss_of(lesson, batch) == pytest.approx(
        by_hand(student, teacher, batch, pairs, 8, (1, 2)), abs=1e-5
    )


def test_version_2_takes_other_widths_and_head_counts() -> None:
    student, teacher = make("distilbert", 2, wide=24, heads=3), make("bert", 3, seed=1)
    batch = ragged_batch()
    loss = loss_of(lesson_of(student, teacher, relation_heads=8), batch)
    assert loss == pytest.approx(by_hand(student, teacher, batch, SELF, 8, (2, 3)), abs=1e-5)


@pytest.mark.parametrize("architecture", ENCODERS)
def test_version_1_is_attention_and_the_values_relation(architecture: str) -> None:
    student, teacher = make(architecture, 2), make(architecture, 3, seed=1)
    batch = ragged_batch(pad=PAD.get(architecture, 0))
    pairs = {("query", "key"): 1.5, ("value", "value"): 1.0}
    heads = 12 if architecture == MINILM else 4
    loss = loss_of(lesson_of(student, teacher, version=1, attention_weight=1.5), batch)
    assert loss == pytest.approx(by_hand(student, teacher, batch, pairs, heads, (2, 3)), abs=1e-5)
    assert loss > 0.05


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("architecture", ENCODERS)
def test_padding_changes_nothing(architecture: str, version: int) -> None:
    pad = PAD.get(architecture, 0)
    lesson = lesson_of(make(architecture, 2), make(architecture, 3, seed=1), version=version)
    batch = ragged_batch(pad=pad)
    assert loss_of(lesson, padded(batch, 7, pad)) == pytest.approx(loss_of(lesson, batch), abs=1e-5)


@pytest.mark.parametrize("version", [1, 2])
def test_a_student_that_is_its_teacher_has_nothing_to_learn(version: int) -> None:
    teacher = make("bert", 3)
    assert loss_of(lesson_of(shrink(teacher, 3), teacher, version=version), ragged_batch()) < 1e-6


def test_the_student_alone_is_trained_and_its_head_gets_no_gradient() -> None:
    student, teacher = make("bert", 2), make("bert", 3, seed=1)
    lesson = lesson_of(student, teacher)
    lesson.loss(ragged_batch()).backward()  # type: ignore[no-untyped-call]
    assert {id(one) for one in lesson.parameters()} == {id(one) for one in student.parameters()}
    assert not any(name.startswith("_") or "teacher" in name for name in lesson.state_dict())
    assert all(one.grad is None and not one.requires_grad for one in teacher.parameters())
    gradients = {name: one.grad for name, one in student.named_parameters()}
    assert gradients["bert.embeddings.word_embeddings.weight"] is not None
    assert gradients["classifier.weight"] is None
    assert MiniLM.selects == "last"


def test_labels_are_not_looked_at() -> None:
    lesson = lesson_of(make("bert", 2), make("bert", 3, seed=1))
    batch = ragged_batch()
    unlabelled = {name: value for name, value in batch.items() if name != "labels"}
    none_known = batch | {"labels": torch.full((3,), -100)}
    assert loss_of(lesson, batch) == loss_of(lesson, unlabelled) == loss_of(lesson, none_known)


@pytest.mark.parametrize("version", [1, 2])
def test_the_loss_is_float32_where_the_models_compute_in_bfloat16(version: int) -> None:
    lesson = lesson_of(make("bert", 2), make("bert", 3, seed=1), version=version)
    batch = ragged_batch()
    exact = loss_of(lesson, batch)
    with torch.autocast("cpu", torch.bfloat16):
        loss = lesson.loss(batch)
    assert loss.dtype == torch.float32
    assert float(loss.detach()) == pytest.approx(exact, rel=0.1)


@pytest.mark.parametrize("version", [1, 2])
def test_relations_come_nearer_to_the_teachers(version: int) -> None:
    teacher = topic_teacher()
    student = make("bert", 2, seed=5, initializer_range=0.1)
    lesson = lesson_of(student, teacher, version=version)
    unseen = topic_batches(64, seed=9)
    before = np.mean([loss_of(lesson, batch) for batch in unseen])
    teach(lesson, topic_batches(320, seed=1), 60, optimizer_of(lesson, 2e-3))
    assert np.mean([loss_of(lesson, batch) for batch in unseen]) < 0.7 * before


def test_version_1_refuses_other_head_counts() -> None:
    with pytest.raises(ModelError, match="2 attention heads and its teacher 4") as raised:
        lesson_of(make("bert", 2, heads=2), make("bert", 3), version=1)
    assert "version: 2" in raised.value.remedy


def test_version_1_refuses_attention_with_relative_positions() -> None:
    with pytest.raises(ModelError, match="deberta-v2 model's attention") as raised:
        lesson_of(make("deberta-v2", 2), make("deberta-v2", 3), version=1)
    assert "version: 2" in raised.value.remedy


def test_relation_heads_must_divide_both_widths() -> None:
    with pytest.raises(
        ModelError, match=r"5 relation heads do not divide .*\(32\) and student \(24\)"
    ) as raised:
        lesson_of(make("bert", 2, wide=24, heads=4), make("bert", 3), relation_heads=5)
    assert raised.value.expected == "one of 1, 2, 4, 8"
    assert "relation_heads: 4" in raised.value.remedy


def test_layers_that_are_not_there_are_refused() -> None:
    with pytest.raises(ModelError, match="layer 4 is not possible: the model has 3 layers"):
        lesson_of(make("bert", 2), make("bert", 3), teacher_layer=4)


def test_several_teachers_are_refused() -> None:
    model = trained(make("bert", 2))
    with pytest.raises(ModelError, match="2 teachers"):
        MiniLM(method="minilm").lesson(model, [model, model], "cpu")


@pytest.mark.parametrize(("layers", "fits"), [(1, False), (2, True), (3, True), (4, True), (5, False)])
def test_an_assistant_lies_between_student_and_teacher(layers: int, fits: bool) -> None:
    student, teacher = make("bert", 2), make("bert", 4)
    if fits:
        lesson_of(student, teacher, assistant={"layers": layers})
        return
    with pytest.raises(ModelError, match=f"the assistant has {layers} layers") as raised:
        lesson_of(student, teacher, assistant={"layers": layers})
    assert "between 2 and 4" in raised.value.remedy


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"version": 1, "relation_heads": 8}, "relation_heads belongs to version 2"),
        ({"version": 1, "query_weight": 1.0}, "query_weight belongs to version 2"),
        ({"attention_weight": 1.0}, "attention_weight belongs to version 1"),
        ({"version": 1, "attention_weight": 0.0, "value_weight": 0.0}, "nothing would be learned"),
        ({"assistant": {"layers": 0}}, "assistant.layers"),
    ],
)
def test_options_that_say_nothing_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        MiniLM(method="minilm", **options)
