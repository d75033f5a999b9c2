"""Who says what, how far apart, and how fast."""

import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from app.comparer import Comparer
from app.comparison import difference, timed
from app.evaluation import read_rows
from app.rows import Row
from app.stored_teacher import StoredTeacher
from app.tasks import default_task
from app.views.answers import answers, outcome, words
from serve.errors import BundleError, InputError
from serve.runtime import OnnxRuntime
from serve.tasks import Answer, Classification

TASK = default_task()
FORM = TASK.form({}, pairs=False)


def answer(**probabilities: float) -> Answer:
    best = max(probabilities, key=lambda label: probabilities[label])
    return Classification(best, probabilities, tokens=1, truncated=False)


class Contrary:
    """A teacher that always says the same, surely."""

    def predict(self, inputs: Sequence[str]) -> list[Answer]:
        """Always negative."""
        return [
            Classification("negative", {"negative": 1.0, "positive": 0.0}, 3, truncated=False) for _ in inputs
        ]


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


def test_a_live_teacher_answers_any_text(student: OnnxRuntime, rows: list[Row]) -> None:
    comparer = Comparer(student, Contrary(), rows)
    found = comparer.compare("a great film never stored")
    assert found.teacher is not None
    assert found.stored is None
    said = outcome(found, FORM, TASK)
    assert "They disagree" in said
    learnt = found.student.answer
    assert f"{100 * learnt.probabilities['positive']:+.1f} points for <b>positive</b>" in said
    shown = answers(found, TASK, None)
    assert shown.count("on this server, median of") == 2
    assert f"{found.teacher.p50_ms / found.student.p50_ms:.1f}\u00d7 as fast" in shown
    weighed = comparer.weigh("a great film")
    assert weighed.label == "positive"
    assert [piece.weight for piece in weighed.teacher or []] == [0, 0, 0]
    assert "No single word matters here" in words(weighed, FORM, teacher_is_live=True)


def test_without_a_teacher_a_new_text_says_what_to_do(student: OnnxRuntime, rows: list[Row]) -> None:
    comparer = Comparer(student, None, rows)
    found = comparer.compare("a great film never stored")
    assert found.taught is None
    assert "no answer of the teacher" in outcome(found, FORM, TASK)
    assert "--teacher MODEL" in answers(found, TASK, 12.5)
    assert "--teacher MODEL" in words(comparer.weigh("a great film"), FORM, teacher_is_live=False)


def test_a_stored_answer_is_told_with_the_usual_time(student: OnnxRuntime, rows: list[Row]) -> None:
    found = Comparer(student, None, rows).compare(rows[5].text)
    assert found.row == 5
    assert "?row=5" in outcome(found, FORM, TASK)
    assert "Stored answer, not timed now. Its p50 in the report is 12.50 ms." in answers(found, TASK, 12.5)


def test_a_cut_text_is_warned_about_and_a_whole_one_is_counted(student: OnnxRuntime) -> None:
    comparer = Comparer(student, None, [])
    assert "Only the first 16 tokens were read" in answers(comparer.compare("film " * 40), TASK, None)
    assert "3 tokens read, the whole text" in answers(comparer.compare("film"), TASK, None)


def test_a_link_holds_the_text_and_a_long_text_has_none(student: OnnxRuntime) -> None:
    comparer = Comparer(student, None, [])
    said = outcome(comparer.compare('a "good" film & <b>more</b>'), FORM, TASK)
    assert 'href="?text=a+%22good%22+film+%26+%3Cb%3Emore%3C%2Fb%3E"' in said
    assert "href" not in outcome(comparer.compare("film " * 300), FORM, TASK)


def test_nothing_that_is_typed_becomes_markup(student: OnnxRuntime) -> None:
    evil = '<img src=x onerror=alert(1)> "quoted"'
    comparer = Comparer(student, Contrary(), [])
    found = comparer.compare(evil)
    shown = (
        outcome(found, FORM, TASK)
        + answers(found, TASK, None)
        + words(comparer.weigh(evil), FORM, teacher_is_live=True)
    )
    assert "<img" not in shown
    labelled = Comparer(Contrary(), Named(evil), []).compare("x")
    assert "<img" not in outcome(labelled, FORM, TASK) + answers(labelled, TASK, None)


class Named:
    """Answers with a label of this name."""

    def __init__(self, label: str) -> None:
        self._label = label

    def predict(self, inputs: Sequence[str]) -> list[Answer]:
        return [Classification(self._label, {self._label: 1.0}, 1, truncated=False) for _ in inputs]


def test_rows_are_checked_and_may_be_missing(tmp_path: Path) -> None:
    path = tmp_path / "evaluation.jsonl"
    assert read_rows(path) == []
    path.write_text('{"id": 0, "text": "a"}\n')
    with pytest.raises(BundleError, match="line 1"):
        read_rows(path)
