"""What the page asks of the two models, one question at a time."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.attribution import Piece, weigh
from app.comparison import Timed, timed
from app.rows import Difference, Row
from app.stored_teacher import StoredTeacher, same
from app.tasks import Aim, Task, default_task
from app.turns import Turns
from serve.inputs import Input
from serve.predictor import Predictor
from serve.tasks import Answer


@dataclass(frozen=True, slots=True)
class Comparison:
    """Both answers to one text, or to one pair of texts."""

    asked: Input
    student: Timed
    teacher: Timed | None  # None where it is not loaded
    stored: (
        Answer | None
    )  # what it said when the bundle was made; None where it is loaded or was not asked this
    row: int | None  # the id of the test row with this text
    apart: Difference | None  # how far the two are apart; None without the teacher's answer

    @property
    def taught(self) -> Answer | None:
        """The teacher's answer, wherever it comes from."""
        return self.teacher.answer if self.teacher else self.stored


@dataclass(frozen=True, slots=True)
class Weighed:
    """What each word of a text weighs for the student's answer, in both models."""

    aim: Aim | str  # what they speak for, or why there is nothing
    student: list[Piece]
    teacher: list[Piece] | None  # None where the teacher is not loaded

    @property
    def label(self) -> str | None:
        """What they speak for, for people; None where there is nothing."""
        return None if isinstance(self.aim, str) else self.aim.label


class Comparer:
    """Asks the student, and the teacher where it can be asked."""

    def __init__(
        self,
        student: Predictor,
        teacher: Predictor | None,
        rows: Sequence[Row],
        turns: Turns | None = None,
        task: Task | None = None,
    ) -> None:
        self.is_live = teacher is not None
        self._student = student
        self._teacher = teacher
        self.task = task or default_task()
        self._stored = StoredTeacher(rows, self.task)
        self._rows = {same(row.asked): row.id for row in rows}
        self._turns = turns or Turns()

    def compare(self, asked: Input) -> Comparison:
        """Both answers, timed one after the other; raises `UserError`."""
        with self._turns.now():
            student = timed(self._student, asked)
            teacher = timed(self._teacher, asked) if self._teacher else None
        stored = None
        if teacher is None and self._stored.knows(asked):
            (stored,) = self._stored.predict([asked])
        taught = teacher.answer if teacher else stored
        apart = self.task.difference(asked, taught, student.answer) if taught else None
        return Comparison(asked, student, teacher, stored, self._rows.get(same(asked)), apart)

    def weigh(self, asked: Input) -> Weighed:
        """What each word weighs; raises `UserError`."""
        with self._turns.now():
            (answer,) = self._student.predict([asked])
            aim = self.task.aim(asked, answer)
            if isinstance(aim, str):
                return Weighed(aim, [], None)
            student = weigh(self._student, asked, aim.strength)
            teacher = weigh(self._teacher, asked, aim.strength) if self._teacher else None
        return Weighed(aim, student, teacher)

    def classify(self, asked: Input) -> Answer:
        """The student's answer; raises `UserError`."""
        with self._turns.now():
            (answer,) = self._student.predict([asked])
        return answer

    def both(self, inputs: Sequence[Input]) -> list[tuple[Answer | None, Answer]]:
        """The teacher's answer, where there is one, and the student's to each input, behind whoever waits."""
        with self._turns.later():
            learnt = self._student.predict(inputs)
            if self._teacher is not None:
                return list(zip(self._teacher.predict(inputs), learnt, strict=True))
        known = [self._stored.predict([asked])[0] if self._stored.knows(asked) else None for asked in inputs]
        return list(zip(known, learnt, strict=True))
