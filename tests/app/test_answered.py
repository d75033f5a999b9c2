"""The student answers the test rows in the background: once, not before somebody looks, and behind who waits."""

import threading
import time
from collections.abc import Sequence

import pytest

from app.answered import AnsweredRows
from app.rows import Row
from app.selection import Selection, counts, examples, select
from app.turns import Turns
from serve.errors import InputError
from serve.runtime import OnnxRuntime
from serve.tasks import Answer, Classification


def row(number: int, text: str, label: str | None, taught: str) -> Row:
    teacher = Classification(taught, {taught: 0.9, "other": 0.1}, tokens=0, truncated=False)
    return Row(number, text, label, teacher)


class Saying:
    """A student whose texts are its answers: "a 0.7" is the label a with probability 0.7."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.go = threading.Event()
        self.go.set()

    def predict(self, inputs: Sequence[str]) -> list[Answer]:
        self.go.wait(20)
        self.asked += inputs
        found = []
        for text in inputs:
            label, score = text.split()[:2]
            found.append(Classification(label, {label: float(score), "other": 1 - float(score)}, 1, False))
        return found


TABLE = [
    (10, "a 0.9", "a", "a"),  # both right
    (11, "b 0.8 Café", "a", "a"),  # the student only is wrong
    (12, "a 0.7", "a", "b"),  # the teacher only
    (13, "b 0.6", "a", "b"),  # both wrong, and of one mind
    (14, "c 0.55", "a", "b"),  # both wrong, and they differ
    (15, "b 0.95", None, "a"),  # nobody knows
]


@pytest.fixture
def answered() -> AnsweredRows:
    found = AnsweredRows([row(*line) for line in TABLE], Saying())
    found.finish(20)
    return found


def test_every_row_is_of_its_kinds(answered: AnsweredRows) -> None:
    assert answered.is_complete
    assert counts(answered.done) == {
        "all": 6,
        "differ": 4,
        "student_wrong": 1,
        "teacher_wrong": 1,
        "both_wrong": 2,
    }
    for kind, ids in [("student_wrong", [11]), ("teacher_wrong", [12]), ("both_wrong", [13, 14])]:
        assert [pair.row.id for pair in select(answered.done, Selection(kind, order="row"))] == ids


@pytest.mark.parametrize(
    ("asked", "ids"),
    [
        (Selection("all", order="surest"), [15, 10, 11, 12, 13, 14]),
        (Selection("all", order="doubtful"), [14, 13, 12, 11, 10, 15]),
        (
            Selection("differ", label="a", order="row"),
            [11, 12, 14, 15],
        ),  # 15: the teacher's, for want of another
        (Selection("all", label="b"), []),
        (Selection("all", least=0.6, most=0.8, order="row"), [11, 12, 13]),
        (Selection("all", search=" CAFÉ "), [11]),
        (Selection("differ", search="nothing"), []),
    ],
)
def test_filters_and_orders(answered: AnsweredRows, asked: Selection, ids: list[int]) -> None:
    assert [pair.row.id for pair in select(answered.done, asked)] == ids


def test_a_name_that_is_not_known_is_said() -> None:
    for wrong in ({"kind": "teacher"}, {"order": "id"}):
        with pytest.raises(InputError, match="one of"):
            Selection(**wrong)


def test_nothing_is_asked_before_somebody_looks_and_nothing_twice() -> None:
    student = Saying()
    found = AnsweredRows([row(number, f"a 0.9 {number}", "a", "a") for number in range(40)], student)
    assert (found.is_complete, found.done, student.asked) == (False, [], [])
    student.go.clear()
    found.begin()
    found.begin()
    assert not found.is_complete
    student.go.set()
    found.finish(20)
    assert student.asked == [each.text for each in found.rows]
    assert [pair.row.id for pair in found.done] == list(range(40))


def test_a_row_that_cannot_be_answered_is_told(student: OnnxRuntime) -> None:
    found = AnsweredRows([row(0, "good", "a", "a"), row(1, "x" * 100_001, "a", "a")], student)
    found.finish(20)
    assert found.is_complete
    assert "100,001 characters" in str(found.failure)
    assert found.row(0) is not None
    for number in (7, "0", None, [], 1.5):
        assert found.row(number) is None


def test_it_can_be_stopped_in_the_middle() -> None:
    student = Saying()
    student.go.clear()
    found = AnsweredRows([row(number, "a 0.9", "a", "a") for number in range(400)], student)
    found.begin()
    stopping = threading.Thread(target=found.stop)
    stopping.start()
    student.go.set()
    stopping.join(20)
    assert not stopping.is_alive()
    assert len(student.asked) <= 32


def test_whoever_waits_goes_before_the_background() -> None:
    turns = Turns()
    order: list[str] = []

    def work() -> None:
        for _ in range(40):
            with turns.later():
                order.append("later")
                time.sleep(0.005)

    worker = threading.Thread(target=work)
    worker.start()
    while not order:
        time.sleep(0.001)
    with turns.now():
        begun = len(order)
        order.append("now")
        time.sleep(0.05)
        assert order[-1] == "now", "somebody worked at the same time"
    worker.join(20)
    assert begun <= 20
    assert order.count("later") == 40


def test_examples_hold_the_furthest_apart_and_every_label(answered: AnsweredRows) -> None:
    apart, together = examples(answered.done, count=2)
    changes = [abs(pair.apart.change) for pair in apart]
    assert changes == sorted((abs(pair.apart.change) for pair in answered.done), reverse=True)[:2]
    assert not any(pair.apart.agree for pair in apart)
    assert {pair.student.label for pair in together} == {"a", "b"}
    assert examples([], 3) == ([], [])
