"""The threshold under which the teacher should answer, against brute force."""

import numpy as np
import pytest

from compress.judge.cascade import CLOSED, suggest


def drawn(rows: int = 600, seed: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gold labels, a good teacher, and a student that is wrong where it is unsure."""
    random = np.random.default_rng(seed)
    gold = random.integers(3, size=rows)
    confidence = random.uniform(0.4, 1.0, rows)
    right = random.uniform(size=rows) < confidence
    student = np.full((rows, 3), 0.0)
    chosen = np.where(right, gold, (gold + 1) % 3)
    student[:] = ((1 - confidence) / 2)[:, None]
    student[np.arange(rows), chosen] = confidence
    teacher = np.full((rows, 3), 0.01)
    teacher[np.arange(rows), np.where(random.uniform(size=rows) < 0.97, gold, (gold + 2) % 3)] = 0.98
    return gold, teacher, student


def test_as_few_as_possible_are_handed_on() -> None:
    gold, teacher, student = drawn()
    found = suggest(teacher, student, gold, "accuracy")
    assert found is not None
    alone, best = (student.argmax(1) == gold).mean(), (teacher.argmax(1) == gold).mean()
    assert (found.student, found.teacher, found.rows) == (pytest.approx(alone), pytest.approx(best), 600)
    target = alone + CLOSED * (best - alone)
    assert found.score >= target
    handed = student.max(1) < found.below
    assert found.share == pytest.approx(handed.mean())
    together = np.where(handed, teacher.argmax(1), student.argmax(1))
    assert found.score == pytest.approx((together == gold).mean())
    # No lower threshold reaches the target: those that are tried lie a four-hundredth of the rows apart.
    for below in np.sort(student.max(1)):
        if below >= np.quantile(student.max(1), max(0.0, found.share - 0.01)):
            break
        lower = np.where(student.max(1) < below, teacher.argmax(1), student.argmax(1))
        assert (lower == gold).mean() < target


def test_a_student_that_is_as_good_needs_nobody() -> None:
    gold, teacher, student = drawn()
    assert suggest(student, teacher, gold, "accuracy") is None
    assert suggest(teacher, teacher, None, "accuracy") is None


def test_without_labels_it_is_agreement() -> None:
    _, teacher, student = drawn()
    found = suggest(teacher, student, None, "macro_f1")
    assert found is not None
    assert found.teacher == 1
    assert found.student == pytest.approx((teacher.argmax(1) == student.argmax(1)).mean())
    assert found.score >= found.student + CLOSED * (1 - found.student)


def test_a_student_that_is_sure_and_wrong_hands_everything_on() -> None:
    """No threshold below 1 helps, and the one that is given hands on what is at 1 as well."""
    gold = np.array([0, 1] * 10)
    student = np.eye(2)[1 - gold]
    teacher = np.eye(2)[gold]
    found = suggest(teacher, student, gold, "accuracy")
    assert found is not None
    assert (found.share, found.score) == (1, 1)
    assert found.below > 1
