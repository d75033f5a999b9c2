"""Deep mutual learning: two models, each with its own loss, and no gradient from one to the other."""

from typing import Any

import numpy as np
import pytest
import torch
from lessons import (
    PAD,
    Array,
    array,
    changed,
    divergence,
    gap,
    loss_of,
    make,
    nats,
    optimizer_of,
    padded,
    ragged_batch,
    snapshot,
    softmax,
    teach,
    topic_batches,
    topic_teacher,
    trained,
    with_answers,
)
from torch.nn import functional
from transformers import PreTrainedModel

from compress.distill.mutual import Mutual, Peers, mutual_loss
from compress.errors import ModelError
from compress.models.shrink import shrink
from compress.training.lesson import Batch


def lesson_of(student: PreTrainedModel, teacher: PreTrainedModel, **options: Any) -> Peers:
    lesson = Mutual(method="mutual", **options).lesson(trained(student), [trained(teacher)], "cpu")
    return lesson.eval()


def answers(model: PreTrainedModel, batch: Batch) -> Array:
    return array(with_answers(model, [batch])[0]["teacher_logits"])


def imitation(own: Array, other: Array, temperature: float) -> float:
    return temperature**2 * divergence(softmax(other / temperature), softmax(own / temperature))


@pytest.mark.parametrize("architecture", ["bert", "roberta", "distilbert", "electra"])
def test_the_loss_is_the_sum_of_both_models_losses(architecture: str) -> None:
    student, teacher = make(architecture, 2), make(architecture, 3, seed=1)
    batch = ragged_batch(pad=PAD.get(architecture, 0)) | {"labels": torch.tensor([1, -100, 0])}
    (batch,) = with_answers(teacher, [batch])
    ours, theirs = answers(student, batch), answers(teacher, batch)
    values = []
    for row, label in enumerate([1, None, 0]):
        for own, other in ((ours[row], theirs[row]), (theirs[row], ours[row])):
            task = divergence(softmax(theirs[row]), softmax(own)) if label is None else nats(own, label)
            values.append(task + 0.7 * imitation(own, other, 3.0))
    loss = loss_of(lesson_of(student, teacher, weight=0.7, temperature=3.0), batch)
    assert loss == pytest.approx(np.sum(values) / 3, abs=1e-5)


def test_by_default_the_weight_and_the_temperature_are_the_papers() -> None:
    student, teacher = make("bert", 2), make("bert", 3, seed=1)
    batch = ragged_batch()
    ours, theirs = answers(student, batch), answers(teacher, batch)
    values = [
        nats(own, label) + imitation(own, other, 1.0)
        for pair in zip(ours, theirs, batch["labels"].tolist(), strict=True)
        for own, other, label in ((pair[0], pair[1], pair[2]), (pair[1], pair[0], pair[2]))
    ]
    assert loss_of(lesson_of(student, teacher), batch) == pytest.approx(np.sum(values) / 3, abs=1e-5)


def test_no_gradient_reaches_the_other() -> None:
    own, other = torch.randn(2, 4, 3).unbind()
    own.requires_grad, other.requires_grad = True, True
    labels = torch.tensor([0, 1, 2, 0])
    mutual_loss(own, other, {"labels": labels}, Mutual(method="mutual")).backward()  # type: ignore[no-untyped-call]
    assert own.grad is not None
    assert other.grad is None


def test_each_models_gradient_is_that_of_its_own_loss_with_the_other_held() -> None:
    student, teacher = make("bert", 2), make("bert", 3, seed=1)
    lesson, batch = lesson_of(student, teacher), ragged_batch()
    lesson.loss(batch).backward()  # type: ignore[no-untyped-call]
    held = {model: torch.tensor(answers(model, batch)).float() for model in (student, lesson.peer)}
    for model, other in ((student, lesson.peer), (lesson.peer, student)):
        together = {name: parameter.grad for name, parameter in model.named_parameters()}
        model.zero_grad()
        logits = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
        target = held[other].softmax(-1)
        pull = (target * (target.log() - logits.log_softmax(-1))).sum(-1).mean()
        (functional.cross_entropy(logits, batch["labels"]) + pull).backward()
        for name, parameter in model.named_parameters():
            if parameter.grad is None:
                assert together[name] is None
            else:
                torch.testing.assert_close(together[name], parameter.grad, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("was_frozen", [False, True])
def test_both_learn_and_the_given_teacher_stays_as_it_is(was_frozen: bool) -> None:
    student, teacher = make("bert", 2), make("bert", 3, seed=1)
    teacher.requires_grad_(not was_frozen)  # as an earlier stage leaves it
    of_student, of_teacher = snapshot(student), snapshot(teacher)
    lesson = lesson_of(student, teacher)
    of_peer = snapshot(lesson.peer)
    teach(lesson, [ragged_batch()], 3, optimizer_of(lesson, 1e-3))
    assert changed(of_student, student) == set(of_student)
    assert changed(of_peer, lesson.peer) == set(of_peer)
    assert not changed(of_teacher, teacher)
    assert all(parameter.grad is None for parameter in teacher.parameters())


def test_the_peer_is_trained_and_kept_and_the_teacher_is_not() -> None:
    student, teacher = make("bert", 2), make("bert", 3, seed=1)
    lesson = lesson_of(student, teacher)
    ids = {id(parameter) for parameter in lesson.parameters()}
    assert ids == {id(one) for model in (student, lesson.peer) for one in model.parameters()}
    assert not ids & {id(parameter) for parameter in teacher.parameters()}
    assert "peer.classifier.weight" in lesson.state_dict()
    assert not changed(snapshot(teacher), lesson.peer)  # it begins as the teacher


def test_the_answer_is_the_students() -> None:
    student, teacher = make("bert", 2), make("bert", 3, seed=1)
    batch = ragged_batch()
    with torch.no_grad():
        logits = lesson_of(student, teacher)(**batch)["logits"]
    assert np.allclose(array(logits), answers(student, batch))


def test_padding_changes_nothing() -> None:
    lesson, batch = lesson_of(make("bert", 2), make("bert", 3, seed=1)), ragged_batch()
    assert loss_of(lesson, padded(batch, 7)) == pytest.approx(loss_of(lesson, batch), abs=1e-5)


def test_the_peer_reads_its_own_tokens() -> None:
    student, teacher = make("bert", 2), make("bert", 3, seed=1)
    lesson, batch = lesson_of(student, teacher, weight=1e-9), ragged_batch()
    own = batch | {"teacher_input_ids": ragged_batch(seed=8)["input_ids"]}
    values = [
        nats(row, label)
        for logits in (answers(student, batch), answers(teacher, ragged_batch(seed=8)))
        for row, label in zip(logits, batch["labels"].tolist(), strict=True)
    ]
    assert loss_of(lesson, own) == pytest.approx(np.sum(values) / 3, abs=1e-5)


def test_the_loss_is_float32_where_the_models_compute_in_bfloat16() -> None:
    lesson = lesson_of(make("bert", 2), make("bert", 3, seed=1))
    with torch.autocast("cpu", torch.bfloat16):
        assert lesson.loss(ragged_batch()).dtype == torch.float32


def test_the_student_comes_nearer_to_the_teacher() -> None:
    teacher = topic_teacher()
    student = shrink(teacher, 2)
    unseen = topic_batches(96, seed=9)
    before = gap(teacher, student, unseen)
    lesson = lesson_of(student, teacher)
    batches = with_answers(teacher, topic_batches(320, seed=1))
    teach(lesson, batches, 60, optimizer_of(lesson, 1e-3))
    assert gap(teacher, student, unseen) < 0.5 * before


def test_several_teachers_are_refused() -> None:
    model = trained(make("bert", 2))
    with pytest.raises(ModelError, match="2 teachers"):
        Mutual(method="mutual").lesson(model, [model, model], "cpu")


def test_without_labels_or_answers_it_says_so() -> None:
    lesson, batch = lesson_of(make("bert", 2), make("bert", 3)), ragged_batch()
    del batch["labels"]
    with pytest.raises(
        ModelError, match="the method mutual cannot be used here: the data has neither labels"
    ):
        lesson.loss(batch)
