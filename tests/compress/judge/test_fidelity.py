import numpy as np
import pytest
from scipy import stats
from sklearn.calibration import calibration_curve
from sklearn.metrics import confusion_matrix

from compress.judge.fidelity import calibration_error, fidelity, mean_kl, stack_probabilities
from serve.tasks import Classification


def random_probabilities(rows: int, labels: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet(np.ones(labels), size=rows)


def test_kl_is_scipys_entropy() -> None:
    teacher, student = random_probabilities(50, 4, seed=0), random_probabilities(50, 4, seed=1)
    assert mean_kl(teacher, student) == pytest.approx(stats.entropy(teacher, student, axis=1).mean())
    assert mean_kl(teacher, student) != pytest.approx(mean_kl(student, teacher))


def test_kl_stays_finite_where_the_student_is_certain_and_wrong() -> None:
    certain = np.array([[1.0, 0.0]])
    assert mean_kl(certain, certain) == 0
    assert mean_kl(certain, certain[:, ::-1]) == pytest.approx(-np.log(1e-12))


def test_calibration_error_of_known_cases() -> None:
    always_sure = np.tile([0.95, 0.05], (100, 1))
    gold = np.array([0] * 60 + [1] * 40)
    assert calibration_error(always_sure, gold) == pytest.approx(0.35)
    assert calibration_error(np.tile([0.6, 0.4], (100, 1)), gold) == pytest.approx(0)


def test_calibration_error_is_the_sum_over_bins_as_published() -> None:
    probabilities = random_probabilities(500, 3, seed=0)
    gold = np.random.default_rng(1).integers(3, size=500)
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == gold
    expected = 0.0
    for number in range(15):
        inside = (confidence > number / 15) & (confidence <= (number + 1) / 15)
        if inside.any():
            expected += inside.mean() * abs(right[inside].mean() - confidence[inside].mean())
    assert calibration_error(probabilities, gold) == pytest.approx(expected)


def test_a_model_is_faithful_to_itself() -> None:
    teacher = random_probabilities(200, 3, seed=0)
    gold = np.random.default_rng(1).integers(3, size=200)
    same = fidelity(teacher, teacher, gold, "accuracy", seed=0)
    assert (same.retention, same.agreement, same.kl) == (1, 1, 0)
    assert same.ece_student == same.ece_teacher
    assert same.agreement_ci[0] < 1


def test_rows_without_labels_are_judged_by_agreement_alone() -> None:
    teacher, shipped = random_probabilities(80, 3, seed=0), random_probabilities(80, 3, seed=1)
    unlabelled = fidelity(teacher, shipped, None, "accuracy", seed=0)
    assert (unlabelled.retention, unlabelled.retention_ci) == (None, None)
    assert (unlabelled.ece_teacher, unlabelled.ece_student) == (None, None)
    assert unlabelled.kl == pytest.approx(mean_kl(teacher, shipped))
    assert unlabelled.agreement == pytest.approx((teacher.argmax(1) == shipped.argmax(1)).mean())


def test_teacher_and_shipped_are_not_exchanged() -> None:
    gold = np.array([0] * 40 + [1] * 40)
    good = np.where(gold[:, None] == [0, 1], 0.9, 0.1)
    poor = good.copy()
    poor[:20] = poor[:20, ::-1]
    found = fidelity(good, poor, gold, "accuracy", seed=0)
    assert found.retention == pytest.approx(0.75)
    assert (found.ece_teacher, found.ece_student) == pytest.approx((0.1, 0.15))
    assert fidelity(poor, good, gold, "accuracy", seed=0).retention == pytest.approx(1 / 0.75)


def test_different_rows_are_refused() -> None:
    with pytest.raises(ValueError, match=r"got \(3, 2\), \(4, 2\)"):
        fidelity(random_probabilities(3, 2, 0), random_probabilities(4, 2, 0), None, "accuracy", seed=0)


def test_probabilities_are_stacked_in_the_order_of_the_labels() -> None:
    answer = Classification(label="b", probabilities={"a": 0.2, "b": 0.8}, tokens=3, truncated=False)
    assert stack_probabilities([answer], ["b", "a"]).tolist() == [[0.8, 0.2]]
    assert stack_probabilities([], ["b", "a"]).shape == (0, 2)


def test_flips_are_those_of_the_confusion_matrix() -> None:
    teacher, shipped = random_probabilities(300, 3, seed=0), random_probabilities(300, 3, seed=1)
    found = fidelity(teacher, shipped, None, "accuracy", seed=0, labels=["a", "b", "c"])
    matrix = confusion_matrix(teacher.argmax(axis=1), shipped.argmax(axis=1))
    expected = {("abc"[i], "abc"[j]): matrix[i, j] for i in range(3) for j in range(3) if i != j}
    assert {(flip.teacher, flip.shipped): flip.rows for flip in found.flips} == expected
    assert [flip.rows for flip in found.flips] == sorted(expected.values(), reverse=True)


def test_where_the_two_part_is_told_by_length_and_by_the_teachers_confidence() -> None:
    """The student is wrong on the longest texts, of which the teacher is least sure and the student surest."""
    rows = 100
    confidence = np.linspace(0.95, 0.55, rows)
    teacher = np.stack([confidence, 1 - confidence], axis=1)
    shipped = teacher[::-1].copy()
    shipped[80:] = shipped[80:, ::-1]
    texts = ["x" * (10 + row) for row in range(rows)]
    found = fidelity(teacher, shipped, None, "accuracy", seed=0, texts=texts)
    assert [(part.low, part.high, part.rows) for part in found.by_length] == [
        (10, 34, 25), (35, 59, 25), (60, 84, 25), (85, 109, 25)
    ]  # fmt: skip
    assert [part.agreement for part in found.by_length] == [1, 1, 1, 0.2]
    assert [part.agreement for part in found.by_confidence] == [0.2, 1, 1, 1]
    assert sum(part.rows for part in found.by_confidence) == rows


def test_texts_of_one_length_are_one_slice() -> None:
    teacher = random_probabilities(40, 2, seed=0)
    found = fidelity(teacher, teacher, None, "accuracy", seed=0, texts=["four"] * 40)
    assert [(part.low, part.high, part.rows) for part in found.by_length] == [(4, 4, 40)]


def test_the_reliability_tables_are_scikit_learns() -> None:
    teacher, shipped = random_probabilities(400, 2, seed=0), random_probabilities(400, 2, seed=1)
    gold = np.random.default_rng(1).integers(2, size=400)
    found = fidelity(teacher, shipped, gold, "accuracy", seed=0)
    for table, probabilities in ((found.reliability_teacher, teacher), (found.reliability_student, shipped)):
        right = probabilities.argmax(axis=1) == gold
        accuracy, confidence = calibration_curve(right, probabilities.max(axis=1), n_bins=15)
        assert [part.accuracy for part in table] == pytest.approx(accuracy)
        assert [part.confidence for part in table] == pytest.approx(confidence)
        assert sum(part.rows for part in table) == 400


def test_mcnemar_says_who_is_right_alone() -> None:
    gold = np.zeros(30, dtype=int)
    good = np.tile([0.9, 0.1], (30, 1))
    poor = good.copy()
    poor[:8] = poor[:8, ::-1]
    found = fidelity(good, poor, gold, "accuracy", seed=0).mcnemar
    assert found is not None
    assert (found.only_teacher, found.only_shipped) == (8, 0)
    assert found.p_value == pytest.approx(2 * 0.5**8)
