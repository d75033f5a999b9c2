"""The soft-target loss against the paper's formula in plain numpy."""

from pathlib import Path

import numpy as np
import pytest
import torch
from small_models import small_model

from compress.data.rows import NO_LABEL
from compress.distill.logits import Logits, regression_targets, soft_label_sets, soft_targets
from compress.models.trained import Trained


def by_hand(
    student: np.ndarray, teacher: np.ndarray, labels: np.ndarray, temperature: float, alpha: float
) -> float:
    def softmax(values: np.ndarray) -> np.ndarray:
        exponentials = np.exp(values - values.max(axis=1, keepdims=True))
        return exponentials / exponentials.sum(axis=1, keepdims=True)

    p, q = softmax(teacher / temperature), softmax(student / temperature)
    soft = (p * (np.log(p) - np.log(q))).sum(axis=1).mean() * temperature**2
    hard = -np.log(softmax(student)[np.arange(len(labels)), labels]).mean()
    return float(alpha * soft + (1 - alpha) * hard)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0, 8.0])
@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0])
def test_the_loss_is_the_papers(temperature: float, alpha: float) -> None:
    random = np.random.default_rng(3)
    student, teacher = random.normal(size=(2, 16, 5)) * 3
    labels = random.integers(0, 5, size=16)
    ours = soft_targets(
        torch.tensor(student), torch.tensor(teacher), torch.tensor(labels), temperature, alpha
    )
    assert float(ours) == pytest.approx(by_hand(student, teacher, labels, temperature, alpha), abs=1e-5)


def test_a_student_that_equals_its_teacher_has_no_soft_loss_and_no_gradient() -> None:
    logits = torch.randn(8, 4, requires_grad=True)
    loss = soft_targets(logits, logits.detach(), None, 2.0, 0.9)
    loss.backward()  # type: ignore[no-untyped-call]
    assert float(loss.detach()) == pytest.approx(0, abs=1e-6)
    assert logits.grad is not None
    assert float(logits.grad.abs().max()) < 1e-6


def test_the_gradient_keeps_its_size_when_the_temperature_changes() -> None:
    """Why there is a T squared: without it this ratio is 1/100."""
    sizes = []
    for temperature in (10.0, 100.0):
        logits = torch.zeros(4, 3, requires_grad=True)
        teacher = torch.tensor([[1.0, -0.5, -0.5]] * 4)
        soft_targets(logits, teacher, None, temperature, 1.0).backward()  # type: ignore[no-untyped-call]
        assert logits.grad is not None
        sizes.append(float(logits.grad.norm()))
    assert sizes[0] / sizes[1] == pytest.approx(1, rel=0.1)


def test_without_labels_the_teacher_counts_whole() -> None:
    student, teacher = torch.randn(2, 6, 3)
    assert torch.equal(
        soft_targets(student, teacher, None, 2.0, 0.3),
        soft_targets(student, teacher, torch.zeros(6, dtype=torch.long), 2.0, 1.0),
    )


def test_the_options_reach_the_loss() -> None:
    model = small_model("bert")
    student = Trained(model, None, ("a", "b", "c"), 64, Path())  # type: ignore[arg-type]  # only the model is asked
    batch = {
        "input_ids": torch.randint(5, 300, (6, 9)),
        "attention_mask": torch.ones(6, 9, dtype=torch.long),
        "teacher_logits": torch.randn(6, 3),
        "labels": torch.tensor([0, 1, 2, 0, 1, 2]),
    }
    lesson = Logits(method="logits", temperature=3, alpha=0.25).lesson(student, [], "cpu").eval()
    expected = soft_targets(lesson.answer(batch), batch["teacher_logits"], batch["labels"], 3, 0.25)
    assert torch.equal(lesson.loss(batch), expected)
    squared = Logits(method="logits", loss="mse", alpha=1).lesson(student, [], "cpu").eval()
    difference = squared.answer(batch) - batch["teacher_logits"]
    assert squared.loss(batch).item() == pytest.approx(difference.square().mean().item(), abs=1e-6)


def test_a_row_without_a_label_is_the_teachers_alone() -> None:
    student, teacher = torch.randn(2, 4, 3)
    labels = torch.tensor([0, NO_LABEL, 2, NO_LABEL])
    mixed = soft_targets(student, teacher, labels, 2.0, 0.3)
    with_label = soft_targets(student[[0, 2]], teacher[[0, 2]], labels[[0, 2]], 2.0, 0.3)
    without = soft_targets(student[[1, 3]], teacher[[1, 3]], None, 2.0, 0.3)
    assert float(mixed) == pytest.approx(float(with_label + without) / 2, abs=1e-6)


def test_several_labels_per_text_are_bernoulli_variables_of_their_own() -> None:
    random = np.random.default_rng(4)
    student, teacher = random.normal(size=(2, 6, 5)) * 2
    labels = random.integers(0, 2, size=(6, 5)).astype(float)
    temperature, alpha = 3.0, 0.7

    def sigmoid(values: np.ndarray) -> np.ndarray:
        return 1 / (1 + np.exp(-values))

    p, q = sigmoid(teacher / temperature), sigmoid(student / temperature)
    soft = (p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q))).sum(axis=1).mean() * temperature**2
    answer = sigmoid(student)
    hard = -(labels * np.log(answer) + (1 - labels) * np.log(1 - answer)).sum(axis=1).mean()
    ours = soft_label_sets(
        torch.tensor(student), torch.tensor(teacher), torch.tensor(labels), temperature, alpha
    )
    assert float(ours) == pytest.approx(alpha * soft + (1 - alpha) * hard, abs=1e-5)


def test_regression_is_pulled_to_both_scores() -> None:
    student, teacher = torch.tensor([[1.0], [2.0]]), torch.tensor([[2.0], [2.0]])
    labels = torch.tensor([1.0, 4.0])
    assert float(regression_targets(student, teacher, labels, 0.25)) == pytest.approx(0.25 * 0.5 + 0.75 * 2.0)
    assert float(regression_targets(student, teacher, None, 0.25)) == pytest.approx(0.5)
