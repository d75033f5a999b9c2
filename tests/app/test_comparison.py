"""Who says what, how far apart, and which rows are shown."""

import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from app.comparison import difference, timed
from app.evaluation import Row, TeacherAnswer, read_rows
from app.examples import choose
from app.stored_teacher import StoredTeacher
from serve.errors import BundleError, InputError
from serve.runtime import OnnxRuntime
from serve.tasks import Answer, Classification


def answer(**probabilities: float) -> Answer:
    best = max(probabilities, key=lambda label: probabilities[label])
    return Classification(best, probabilities, tokens=1, truncated=False)


def test_the_largest_change_is_named() -> None:
    found = difference(answer(a=0.5, b=0.3, c=0.2), answer(a=0.4, b=0.1, c=0.5))
    assert (found.agree, found.label) == (False, "c")
    assert found.change == pytest.approx(0.3)
    same = difference(answer(a=0.7, b=0.3), answer(a=0.9, b=0.1))
    assert (same.agree, same.label) == (True, "a")


def test_labels_that_only_one_knows_count_as_nought_for_the_other() -> None:
    found = difference(answer(a=0.9, b=0.1), answer(a=0.1, z=0.9))
    assert (found.label, found.change) == ("z", pytest.approx(0.9))


def test_time_is_a_median_after_a_warm_up() -> None:
    class Uneven:
        waits = iter([0.2, 0.02, 0.1, *[0.02] * 20])

        def predict(self, inputs: Sequence[str]) -> list[Answer]:
            time.sleep(next(self.waits))
            return [answer(a=1)]

    found = timed(Uneven(), "x")
    assert found.runs >= 5
    assert 19 < found.p50_ms < 60


def test_a_slow_model_is_not_timed_for_long() -> None:
    class Slow:
        calls = 0

        def predict(self, inputs: Sequence[str]) -> list[Answer]:
            self.calls += 1
            time.sleep(0.35)
            return [answer(a=1)]

    slow = Slow()
    assert timed(slow, "x").runs == 2
    assert slow.calls == 3


def test_stored_teacher_knows_its_rows_only(rows: list[Row]) -> None:
    teacher = StoredTeacher(rows)
    assert len(rows) == 8
    for row in rows:
        (found,) = teacher.predict([f" {row.text}\n"])
        assert (found.label, found.probabilities) == (row.teacher.label, row.teacher.probabilities)
    assert not teacher.knows("never seen")
    with pytest.raises(InputError, match="--teacher MODEL"):
        teacher.predict(["never seen"])


def test_examples_hold_every_kind(rows: list[Row], student: OnnxRuntime) -> None:
    found = choose(rows, student)
    assert set(found.disagreements) == {"a warm story of no plot", "stale and grim and silly"}
    assert found.disagreements[0] == "stale and grim and silly"
    assert len(found.agreements) == 5
    assert {student.predict([text])[0].label for text in found.agreements} == {"positive", "negative"}
    assert (found.tried, found.agreed) == (8, 6)


def test_at_most_300_rows_are_tried() -> None:
    class Counting:
        asked = 0

        def predict(self, inputs: Sequence[str]) -> list[Answer]:
            self.asked += len(inputs)
            return [answer(a=1) for _ in inputs]

    teacher = TeacherAnswer(label="a", probabilities={"a": 1.0})
    rows = [Row(id=number, text=f"text {number}", label=None, teacher=teacher) for number in range(900)]
    student = Counting()
    assert choose(rows, student).tried == student.asked == 300
    assert choose([], student).tried == 0


def test_rows_are_checked_and_may_be_missing(tmp_path: Path) -> None:
    path = tmp_path / "evaluation.jsonl"
    assert read_rows(path) == []
    path.write_text('{"id": 0, "text": "a"}\n')
    with pytest.raises(BundleError, match="line 1"):
        read_rows(path)
