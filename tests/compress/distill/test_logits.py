"""The soft-target loss against the paper's formula in plain numpy."""

import numpy as np
import pytest
import torch

from compress.distill.logits import Logits, soft_targets


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
    student, teacher = torch.randn(2, 6, 3)
    labels = torch.tensor([0, 1, 2, 0, 1, 2])
    objective = Logits(method="logits", temperature=3, alpha=0.25).objective()
    assert torch.equal(objective(student, teacher, labels), soft_targets(student, teacher, labels, 3, 0.25))
