"""BERT-of-Theseus: what is replaced, what is frozen, and when."""

import io
from typing import Any

import numpy as np
import pytest
import torch
from lessons import (
    PAD,
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
from pydantic import ValidationError
from transformers import PreTrainedModel

from compress.distill.theseus import Replacing, Theseus
from compress.errors import ModelError
from compress.models.anatomy import layers_of
from compress.models.shrink import shrink
from compress.training.lesson import Batch

ENCODERS = ["bert", "roberta", "distilbert", "electra", "mpnet", "deberta-v2"]
NEVER = {"schedule": "linear", "replacing_rate": 0.0}  # with total_steps unknown: the rate stays 0


def lesson_of(student: PreTrainedModel, teacher: PreTrainedModel, **options: Any) -> Replacing:
    lesson = Theseus(method="theseus", **options).lesson(trained(student), [trained(teacher)], "cpu")
    return lesson.eval()


def answers(model: PreTrainedModel, batch: Batch) -> torch.Tensor:
    with torch.no_grad():
        logits: torch.Tensor = model(
            input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]
        ).logits
    return logits


@pytest.mark.parametrize("architecture", ENCODERS)
def test_without_replacing_the_mixture_is_the_teacher_and_with_all_it_is_the_student(
    architecture: str,
) -> None:
    teacher = make(architecture, 4, seed=1)
    student = shrink(teacher, 2, "first")
    batch = ragged_batch(pad=PAD.get(architecture, 0))
    lesson = lesson_of(student, teacher)
    of_teacher, of_student = answers(teacher, batch), answers(student, batch)
    assert not torch.allclose(of_teacher, of_student, atol=0.01)
    assert torch.equal(lesson.mixed(batch, [False, False]), of_teacher)
    assert torch.equal(lesson.mixed(batch, [True, True]), of_student)
    assert torch.equal(answers(student, batch), of_student)  # nothing of the teacher is left in it


@pytest.mark.parametrize("architecture", ENCODERS)
def test_each_student_layer_stands_for_its_own_group_of_the_teachers(architecture: str) -> None:
    """Against a model that is sewn together: the teacher's layers, some of them overwritten."""
    teacher = make(architecture, 6, seed=1)
    student = shrink(teacher, 3, "last")
    batch = ragged_batch(pad=PAD.get(architecture, 0))
    sewn = shrink(teacher, [1, 2, 4, 5, 6])  # 1 and 2, the student's second in the place of 3 and 4, 5 and 6
    layers_of(sewn, "testing")[2].load_state_dict(layers_of(student, "testing")[1].state_dict())
    mixture = lesson_of(student, teacher).mixed(batch, [False, True, False])
    assert torch.equal(mixture, answers(sewn, batch))


def test_padding_changes_nothing() -> None:
    teacher = make("bert", 4, seed=1)
    lesson, batch = lesson_of(shrink(teacher, 2), teacher), ragged_batch()
    mixture = lesson.mixed(batch, [True, False])
    assert torch.allclose(lesson.mixed(padded(batch, 7), [True, False]), mixture, atol=1e-5)


def test_the_linear_schedule_begins_at_the_replacing_rate_and_reaches_one() -> None:
    method = Theseus(method="theseus", replacing_rate=0.3, reach_one_at=0.5)
    rates = [method.rate(step, 100) for step in (0, 10, 25, 49, 50, 99)]
    assert rates == pytest.approx([0.3, 0.44, 0.65, 0.986, 1, 1])
    assert rates[4] == 1.0  # to the bit: it says when the whole student is trained


def test_the_constant_schedule_leaves_the_last_steps_to_the_student_alone() -> None:
    method = Theseus(method="theseus", schedule="constant", replacing_rate=0.5, finetune_share=0.2)
    assert [method.rate(step, 50) for step in (0, 39, 40, 49)] == [0.5, 0.5, 1.0, 1.0]


@pytest.mark.parametrize("schedule", ["linear", "constant"])
def test_without_a_number_of_steps_the_rate_stays(schedule: str) -> None:
    method = Theseus.model_validate({"method": "theseus", "schedule": schedule, "replacing_rate": 0.25})
    assert [method.rate(step, 0) for step in (0, 1_000)] == [0.25, 0.25]


def test_modules_are_drawn_each_by_itself_at_the_rate_of_the_step() -> None:
    teacher = make("bert", 4)
    lesson = lesson_of(shrink(teacher, 4), teacher, replacing_rate=0.3)
    draws = []
    for step in range(1_000):
        lesson.step.fill_(step)
        draws.append(lesson.draw())
    drawn = np.array(draws, float)
    assert drawn.mean(axis=0) == pytest.approx(np.full(4, 0.3), abs=0.05)
    correlation = np.corrcoef(drawn.T)[np.triu_indices(4, 1)]
    assert np.abs(correlation).max() < 0.12
    assert (
        np.abs(np.corrcoef(drawn[:-1, 0], drawn[1:, 0])[0, 1]) < 0.12
    )  # nor does a step follow the one before


def test_the_draws_follow_the_seed_of_the_run() -> None:
    teacher = make("bert", 4)
    draws = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        lesson = lesson_of(shrink(teacher, 4), teacher, replacing_rate=0.5)
        steps = []
        for step in range(20):
            lesson.step.fill_(step)
            steps.append(lesson.draw())
        draws.append(steps)
    assert draws[0] == draws[1] != draws[2]


def test_the_loss_is_the_tasks_alone() -> None:
    """Labels' cross-entropy; in rows without one KL to the teacher's probabilities; the mean over rows."""
    teacher = make("bert", 4, seed=1)
    student = shrink(teacher, 2, "first")
    batch = ragged_batch() | {"labels": torch.tensor([2, -100, 1])}
    (batch,) = with_answers(teacher, [batch])
    lesson = lesson_of(student, teacher, replacing_rate=1.0)
    logits, theirs = array(answers(student, batch)), array(batch["teacher_logits"])
    expected = [nats(logits[0], 2), divergence(softmax(theirs[1]), softmax(logits[1])), nats(logits[2], 1)]
    assert loss_of(lesson, batch) == pytest.approx(np.mean(expected), abs=1e-5)
    del batch["labels"]
    expected = [divergence(softmax(other), softmax(own)) for own, other in zip(logits, theirs, strict=True)]
    assert loss_of(lesson, batch) == pytest.approx(np.mean(expected), abs=1e-5)


def test_labels_are_enough_and_something_is_needed() -> None:
    teacher = make("bert", 4, seed=1)
    student = shrink(teacher, 2, "first")
    lesson, batch = lesson_of(student, teacher, replacing_rate=1.0), ragged_batch()
    expected = [
        nats(array(row), int(label))
        for row, label in zip(answers(student, batch), batch["labels"], strict=True)
    ]
    assert loss_of(lesson, batch) == pytest.approx(np.mean(expected), abs=1e-5)
    del batch["labels"]
    with pytest.raises(ModelError, match="neither labels nor the teacher's logits"):
        lesson.loss(batch)


def test_the_loss_of_a_step_is_that_of_its_draw() -> None:
    """Dropout off: the training's loss with the step's modules in place."""
    teacher = make("bert", 4, seed=1, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    lesson = lesson_of(shrink(teacher, 2, "first"), teacher, replacing_rate=0.5).train()
    batch = ragged_batch()
    for _ in range(6):
        logits = array(lesson.mixed(batch, lesson.draw()))
        expected = [nats(row, int(label)) for row, label in zip(logits, batch["labels"], strict=True)]
        assert float(lesson(**batch)["loss"].detach()) == pytest.approx(np.mean(expected), abs=1e-5)
    assert int(lesson.step) == 6


def test_only_training_counts_steps_and_selection_sees_the_student_alone() -> None:
    teacher = make("bert", 4, seed=1)
    student = shrink(teacher, 2)
    lesson, batch = lesson_of(student, teacher, **NEVER), ragged_batch()
    with torch.no_grad():
        logits = lesson(**batch)["logits"]
    assert torch.equal(logits, answers(student, batch))
    assert int(lesson.step) == 0


def test_replacing_trains_the_students_layers_alone_and_fine_tuning_all_of_it() -> None:
    teacher = make("bert", 4, seed=1)
    student = shrink(teacher, 2)
    of_teacher, of_student = snapshot(teacher), snapshot(student)
    layers = {name for name in of_student if ".encoder.layer." in name}
    lesson = lesson_of(student, teacher, replacing_rate=0.7, reach_one_at=0.5)
    lesson.total_steps = 12
    batches = [ragged_batch(seed=seed) for seed in range(12)]
    optimizer = optimizer_of(lesson, 1e-2, weight_decay=0.5)
    teach(lesson, batches[:6], 6, optimizer)
    moved = changed(of_student, student)
    assert moved <= layers
    assert {name.split(".")[3] for name in moved} == {"0", "1"}
    assert len(moved) > len(layers) / 2
    teach(lesson, batches[6:], 6, optimizer)
    moved = changed(of_student, student)
    assert "bert.embeddings.word_embeddings.weight" in moved
    assert {"bert.pooler.dense.weight", "classifier.weight", "classifier.bias"} <= moved
    assert not changed(of_teacher, teacher)
    assert all(parameter.requires_grad for parameter in student.parameters())


def test_a_step_that_draws_none_of_the_students_layers_changes_nothing() -> None:
    teacher = make("bert", 4, seed=1)
    student = shrink(teacher, 2)
    before = snapshot(student)
    lesson = lesson_of(student, teacher, **NEVER)
    teach(lesson, [ragged_batch()], 2, optimizer_of(lesson, 1e-2, weight_decay=0.5))
    assert not changed(before, student)
    assert int(lesson.step) == 2


def test_the_student_alone_is_trained_and_kept() -> None:
    teacher = make("bert", 4)
    student = shrink(teacher, 2)
    lesson = lesson_of(student, teacher)
    assert {id(one) for one in lesson.parameters()} == {id(one) for one in student.parameters()}
    kept = {f"student.{name}" for name in student.state_dict()}
    assert set(lesson.state_dict()) == kept | {"step", "seed"}


def test_a_training_that_is_resumed_ends_with_the_same_weights() -> None:
    batches = topic_batches(256, seed=4)

    def begin(seed: int) -> tuple[Replacing, torch.optim.AdamW]:
        torch.manual_seed(seed)
        teacher = make("bert", 4, seed=1, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
        lesson = lesson_of(shrink(teacher, 2), teacher, replacing_rate=0.4)
        lesson.total_steps = 8
        return lesson, optimizer_of(lesson, 1e-3)

    whole, optimizer = begin(5)
    teach(whole, batches, 8, optimizer)

    first, optimizer = begin(5)
    teach(first, batches[:3], 3, optimizer)
    checkpoint = io.BytesIO()
    torch.save([first.state_dict(), optimizer.state_dict()], checkpoint)
    checkpoint.seek(0)
    second, optimizer = begin(99)  # another state of the global generator
    weights, moments = torch.load(checkpoint)
    second.load_state_dict(weights)
    optimizer.load_state_dict(moments)
    teach(second, batches[3:], 5, optimizer)
    assert not changed(snapshot(whole.student), second.student)


def test_the_loss_is_float32_where_the_models_compute_in_bfloat16() -> None:
    teacher = make("bert", 4, seed=1)
    lesson = lesson_of(shrink(teacher, 2), teacher, replacing_rate=0.5)
    with torch.autocast("cpu", torch.bfloat16):
        assert lesson.loss(ragged_batch()).dtype == torch.float32


def test_the_student_comes_nearer_to_the_teacher() -> None:
    teacher = topic_teacher()
    student = shrink(teacher, 2, "first")
    unseen = topic_batches(96, seed=9)
    before = gap(teacher, student, unseen)
    lesson = lesson_of(student, teacher, replacing_rate=0.3)
    lesson.total_steps = 60
    unlabelled = [
        {name: value for name, value in batch.items() if name != "labels"}
        for batch in topic_batches(320, seed=1)
    ]
    teach(lesson, with_answers(teacher, unlabelled), 60, optimizer_of(lesson, 1e-3))
    assert gap(teacher, student, unseen) < 0.5 * before


@pytest.mark.parametrize(("count", "advice"), [(4, 3), (5, 3)])
def test_a_depth_that_does_not_divide_the_teachers_is_refused(count: int, advice: int) -> None:
    teacher = make("bert", 6)
    with pytest.raises(ModelError, match=f"the student has {count} layers and its teacher 6") as raised:
        lesson_of(shrink(teacher, count), teacher)
    assert raised.value.expected.endswith("divides 6: 1, 2, 3, 6")
    assert f"student.layers: {advice}" in raised.value.remedy


def test_a_deeper_student_is_refused() -> None:
    with pytest.raises(ModelError, match="the student has 4 layers and its teacher 2"):
        lesson_of(make("bert", 4), make("bert", 2))


def test_another_width_or_architecture_is_refused() -> None:
    with pytest.raises(ModelError, match="16 wide and its teacher 32"):
        lesson_of(make("bert", 2, wide=16), make("bert", 4))
    with pytest.raises(ModelError, match="a distilbert model and its teacher a bert model"):
        lesson_of(make("distilbert", 2), make("bert", 4))


def test_layers_beside_a_convolution_are_refused() -> None:
    teacher = make("deberta-v2", 2, conv_kernel_size=3)
    with pytest.raises(ModelError, match="convolution"):
        lesson_of(shrink(teacher, 2), teacher)


def test_several_teachers_are_refused() -> None:
    model = trained(make("bert", 2))
    with pytest.raises(ModelError, match="2 teachers"):
        Theseus(method="theseus").lesson(model, [model, model], "cpu")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"finetune_share": 0.2}, "finetune_share does not belong to schedule: linear"),
        ({"schedule": "constant", "reach_one_at": 0.5}, "reach_one_at does not belong to schedule: constant"),
        ({"schedule": "constant", "replacing_rate": 0.0}, "replaces nothing"),
    ],
)
def test_options_that_say_nothing_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Theseus(method="theseus", **options)
