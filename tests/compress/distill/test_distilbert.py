"""DistilBERT's triple loss against the paper's formula in plain numpy."""

from typing import Any

import numpy as np
import pytest
import torch
from lessons import (
    PAD,
    array,
    divergence,
    gap,
    loss_of,
    make,
    nats,
    optimizer_of,
    padded,
    ragged_batch,
    softmax,
    teach,
    topic_batches,
    topic_teacher,
    trained,
    with_answers,
)
from pydantic import ValidationError
from transformers import PreTrainedModel

from compress.distill.distilbert import DistilBert
from compress.errors import ModelError
from compress.models.shrink import shrink
from compress.training.lesson import Batch, Lesson

ENCODERS = ["bert", "roberta", "distilbert", "electra"]


def lesson_of(student: PreTrainedModel, teacher: PreTrainedModel, **options: Any) -> Lesson:
    method = DistilBert(method="distilbert", **options)
    return method.lesson(trained(student), [trained(teacher)], "cpu").eval()


def masked(batch: Batch, seed: int = 0) -> Batch:
    """Some tokens replaced by [MASK] (4), with their ids as labels of shape (batch, tokens)."""
    random = np.random.default_rng(seed)
    valid = batch["attention_mask"].numpy() == 1
    chosen = torch.tensor((random.random(valid.shape) < 0.3) & valid)
    chosen[0, 1] = True
    return {
        "input_ids": batch["input_ids"].masked_fill(chosen, 4),
        "attention_mask": batch["attention_mask"],
        "labels": batch["input_ids"].masked_fill(~chosen, -100),
    }


def by_hand(
    student: PreTrainedModel,
    teacher: PreTrainedModel,
    batch: Batch,
    alphas: tuple[float, float, float],
    heat: float,
) -> float:
    with torch.no_grad():
        ours, theirs = (
            model(
                input_ids=batch["input_ids"],
                attention_mask=batch["attention_mask"],
                output_hidden_states=True,
            )
            for model in (student, teacher)
        )
    own, other = array(ours.logits), array(theirs.logits)
    lengths = batch["attention_mask"].sum(dim=1).tolist()
    tokens = [(row, token) for row, length in enumerate(lengths) for token in range(length)]
    by_token = own.ndim == 3
    places: list[Any] = list(tokens) if by_token else list(range(len(own)))
    soft = [
        heat**2 * divergence(softmax(other[place] / heat), softmax(own[place] / heat)) for place in places
    ]
    labels = batch["labels"].numpy()
    hard = [nats(own[place], labels[place]) for place in places if labels[place] != -100]
    last, target = array(ours.hidden_states[-1]), array(theirs.hidden_states[-1])
    turned = [
        1 - last[place] @ target[place] / np.linalg.norm(last[place]) / np.linalg.norm(target[place])
        for place in tokens
    ]
    hard_mean = np.sum(hard) / (len(hard) if by_token else len(own))
    return float(alphas[0] * np.mean(soft) + alphas[1] * hard_mean + alphas[2] * np.mean(turned))


@pytest.mark.parametrize("architecture", ENCODERS)
def test_a_masked_language_model_has_the_papers_triple_loss(architecture: str) -> None:
    student, teacher = make(architecture, 2, masked_lm=True), make(architecture, 3, seed=1, masked_lm=True)
    batch = masked(ragged_batch(pad=PAD.get(architecture, 0)))
    expected = by_hand(student, teacher, batch, (5.0, 2.0, 1.0), 2.0)
    assert loss_of(lesson_of(student, teacher), batch) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("architecture", ENCODERS)
def test_a_classifier_has_its_labels_in_the_place_of_masked_tokens(architecture: str) -> None:
    student, teacher = make(architecture, 2), make(architecture, 3, seed=1)
    batch = ragged_batch(pad=PAD.get(architecture, 0)) | {"labels": torch.tensor([2, -100, 1])}
    (batch,) = with_answers(teacher, [batch])
    expected = by_hand(student, teacher, batch, (5.0, 2.0, 1.0), 2.0)
    assert loss_of(lesson_of(student, teacher), batch) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("term", ["alpha_ce", "alpha_mlm", "alpha_cos"])
@pytest.mark.parametrize("masked_lm", [False, True])
def test_each_weight_belongs_to_its_term(term: str, masked_lm: bool) -> None:
    student, teacher = make("bert", 2, masked_lm=masked_lm), make("bert", 3, seed=1, masked_lm=masked_lm)
    batch = masked(ragged_batch()) if masked_lm else ragged_batch()
    weights = {"alpha_ce": 0.0, "alpha_mlm": 0.0, "alpha_cos": 0.0} | {term: 1.5}
    expected = by_hand(
        student, teacher, batch, (weights["alpha_ce"], weights["alpha_mlm"], weights["alpha_cos"]), 4.0
    )
    loss = loss_of(lesson_of(student, teacher, temperature=4.0, **weights), batch)
    assert loss == pytest.approx(expected, rel=1e-5)


def test_the_stored_answers_of_the_teacher_are_used() -> None:
    student, teacher = make("bert", 2), make("bert", 3, seed=1)
    stored = ragged_batch() | {"teacher_logits": torch.randn(3, 3)}
    lesson = lesson_of(student, teacher, alpha_ce=1.0, alpha_mlm=0.0, alpha_cos=0.0, temperature=1.0)
    own = array(with_answers(student, [stored])[0]["teacher_logits"])
    expected = [
        divergence(softmax(other), softmax(row))
        for other, row in zip(array(stored["teacher_logits"]), own, strict=True)
    ]
    assert loss_of(lesson, stored) == pytest.approx(np.mean(expected), abs=1e-5)


@pytest.mark.parametrize("masked_lm", [False, True])
@pytest.mark.parametrize("architecture", ENCODERS)
def test_padding_changes_nothing(architecture: str, masked_lm: bool) -> None:
    pad = PAD.get(architecture, 0)
    lesson = lesson_of(
        make(architecture, 2, masked_lm=masked_lm), make(architecture, 3, seed=1, masked_lm=masked_lm)
    )
    batch = masked(ragged_batch(pad=pad)) if masked_lm else ragged_batch(pad=pad)
    assert loss_of(lesson, padded(batch, 7, pad)) == pytest.approx(loss_of(lesson, batch), rel=1e-5)


@pytest.mark.parametrize("masked_lm", [False, True])
def test_without_labels_the_other_two_terms_are_left(masked_lm: bool) -> None:
    student, teacher = make("bert", 2, masked_lm=masked_lm), make("bert", 3, seed=1, masked_lm=masked_lm)
    batch = masked(ragged_batch()) if masked_lm else ragged_batch()
    expected = loss_of(lesson_of(student, teacher, alpha_mlm=0.0), batch)
    lesson = lesson_of(student, teacher)
    no_labels = {name: value for name, value in batch.items() if name != "labels"}
    none_known = batch | {"labels": torch.full_like(batch["labels"], -100)}
    assert loss_of(lesson, no_labels) == pytest.approx(expected, rel=1e-6)
    assert loss_of(lesson, none_known) == pytest.approx(expected, rel=1e-6)


def test_the_student_alone_is_trained_and_kept() -> None:
    student, teacher = make("bert", 2), make("bert", 3, seed=1)
    lesson = lesson_of(student, teacher)
    lesson.loss(ragged_batch()).backward()  # type: ignore[no-untyped-call]
    assert {id(one) for one in lesson.parameters()} == {id(one) for one in student.parameters()}
    assert set(lesson.state_dict()) == {f"student.{name}" for name in student.state_dict()}
    assert all(one.grad is None for one in teacher.parameters())
    assert all(one.grad is not None for one in student.parameters())
    assert DistilBert.selects == "best"


@pytest.mark.parametrize("masked_lm", [False, True])
def test_the_loss_is_float32_where_the_models_compute_in_bfloat16(masked_lm: bool) -> None:
    lesson = lesson_of(make("bert", 2, masked_lm=masked_lm), make("bert", 3, seed=1, masked_lm=masked_lm))
    batch = masked(ragged_batch()) if masked_lm else ragged_batch()
    exact = loss_of(lesson, batch)
    with torch.autocast("cpu", torch.bfloat16):
        loss = lesson.loss(batch)
    assert loss.dtype == torch.float32
    assert float(loss.detach()) == pytest.approx(exact, rel=0.1)


def test_a_classifier_comes_nearer_to_its_teacher() -> None:
    teacher = topic_teacher()
    student = shrink(teacher, 2)
    unseen = topic_batches(96, seed=9)
    before = gap(teacher, student, unseen)
    lesson = lesson_of(student, teacher)
    teach(lesson, with_answers(teacher, topic_batches(320, seed=1)), 60, optimizer_of(lesson, 1e-3))
    assert gap(teacher, student, unseen) < 0.5 * before


def test_a_masked_language_model_comes_nearer_to_its_teacher() -> None:
    teacher = make("bert", 4, seed=1, masked_lm=True, initializer_range=0.1)
    student = shrink(teacher, 2)
    lesson = lesson_of(student, teacher, alpha_mlm=0.0)  # this teacher knows no words
    batches = [masked(batch) for batch in topic_batches(320, seed=1)]
    unseen = [masked(batch) for batch in topic_batches(64, seed=9)]
    before = np.mean([loss_of(lesson, batch) for batch in unseen])
    teach(lesson, batches, 60, optimizer_of(lesson, 1e-3))
    assert np.mean([loss_of(lesson, batch) for batch in unseen]) < 0.5 * before


def test_another_width_is_refused() -> None:
    with pytest.raises(ModelError, match="the student is 16 wide and its teacher 32") as raised:
        lesson_of(make("bert", 2, wide=16), make("bert", 3))
    assert "minilm" in raised.value.remedy


def test_another_vocabulary_is_refused() -> None:
    lesson = lesson_of(make("bert", 2, masked_lm=True, vocab_size=310), make("bert", 3, masked_lm=True))
    with pytest.raises(ModelError, match=r"\(3, 9, 310\) and \(3, 9, 300\)") as raised:
        lesson.loss(masked(ragged_batch()))
    assert "vocabulary: trim" in raised.value.remedy


def test_masked_texts_need_a_head_that_fills_them_in() -> None:
    lesson = lesson_of(make("bert", 2), make("bert", 3))
    with pytest.raises(ModelError, match="no masked-language-model head"):
        lesson.loss(masked(ragged_batch()))


def test_several_teachers_are_refused() -> None:
    model = trained(make("bert", 2))
    with pytest.raises(ModelError, match="2 teachers"):
        DistilBert(method="distilbert").lesson(model, [model, model], "cpu")


def test_weights_that_are_all_zero_are_refused() -> None:
    with pytest.raises(ValidationError, match="nothing would be learned"):
        DistilBert(method="distilbert", alpha_ce=0.0, alpha_mlm=0.0, alpha_cos=0.0)
