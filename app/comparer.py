"""What the page asks of the two models, one question at a time."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.attribution import Piece, weigh
from app.comparison import Difference, Timed, difference, timed
from app.evaluation import Row
from app.stored_teacher import StoredTeacher
from app.turns import Turns
from serve.predictor import Predictor
from serve.tasks import Answer


@dataclass(frozen=True, slots=True)
class Comparison:
    """Both answers to one text."""

    text: str
    student: Timed
    teacher: Timed | None  # None where it is not loaded
    stored: (
        Answer | None
    )  # what it said when the bundle was made; None where it is loaded or was not asked this
    row: int | None  # the id of the test row with this text

    @property
    def taught(self) -> Answer | None:
        """The teacher's answer, wherever it comes from."""
        return self.teacher.answer if self.teacher else self.stored

    @property
    def apart(self) -> Difference | None:
        """How far the two are apart; None without the teacher's answer."""
        return difference(self.taught, self.student.answer) if self.taught else None


@dataclass(frozen=True, slots=True)
class Weighed:
    """What each word of a text weighs for one label, the student's answer, in both models."""

    label: str
    student: list[Piece]
    teacher: list[Piece] | None  # None where the teacher is not loaded


class Comparer:
    """Asks the student, and the teacher where it can be asked."""

    def __init__(
        self, student: Predictor, teacher: Predictor | None, rows: Sequence[Row], turns: Turns | None = None
    ) -> None:
        self.is_live = teacher is not None
        self._student = student
        self._teacher = teacher
        self._stored = StoredTeacher(rows)
        self._rows = {row.text.strip(): row.id for row in rows}
        self._turns = turns or Turns()

    def compare(self, text: str) -> Comparison:
        """Both answers, timed one after the other; raises `UserError`."""
        with self._turns.now():
            student = timed(self._student, text)
            teacher = timed(self._teacher, text) if self._teacher else None
        stored = None
        if teacher is None and self._stored.knows(text):
            (stored,) = self._stored.predict([text])
        return Comparison(text, student, teacher, stored, self._rows.get(text.strip()))

    def weigh(self, text: str) -> Weighed:
        """What each word weighs; raises `UserError`."""
        with self._turns.now():
            (answer,) = self._student.predict([text])
            student = weigh(self._student, text, answer.label)
            teacher = weigh(self._teacher, text, answer.label) if self._teacher else None
        return Weighed(answer.label, student, teacher)

    def classify(self, text: str) -> Answer:
        """The student's answer; raises `UserError`."""
        with self._turns.now():
            (answer,) = self._student.predict([text])
        return answer

    def both(self, texts: Sequence[str]) -> list[tuple[Answer | None, Answer]]:
        """The teacher's answer, where there is one, and the student's to each text, behind whoever waits."""
        with self._turns.later():
            learnt = self._student.predict(texts)
            if self._teacher is not None:
                return list(zip(self._teacher.predict(texts), learnt, strict=True))
        known = [self._stored.predict([text])[0] if self._stored.knows(text) else None for text in texts]
        return list(zip(known, learnt, strict=True))
