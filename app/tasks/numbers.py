"""What tasks share whose answer is one number: agreement is nearness, and there is no confidence."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, ClassVar

from app.rows import Both, Difference, Kind, Row
from app.tasks.task import Aim, Sliders, Task, Who
from app.views.scale import Scale
from app.views.scatter import Cloud, scatters
from serve.inputs import Input
from serve.tasks import Answer


class Numbers(Task):
    """Two numbers, `Answer.score`, and what lies between them."""

    number: ClassVar[str]  # what it is, in a word
    is_share: ClassVar[bool] = False
    kinds: ClassVar[tuple[Kind, ...]] = ("all", "differ")
    orders: ClassVar[Mapping[str, str]] = {
        "change": "Largest difference first",
        "surest": "Student's highest first",
        "doubtful": "Student's lowest first",
        "row": "As in the file",
    }

    @property
    @abstractmethod
    def scale(self) -> Scale:
        """On which the numbers stand."""

    @property
    @abstractmethod
    def within(self) -> float:
        """How near two numbers are that agree."""

    def gold_scale(self, gold: Sequence[float], drawn: Scale) -> Scale:
        """On which the right numbers stand; `drawn` is that of the models'."""
        return drawn

    # Two answers

    def difference(self, asked: Input, teacher: Any, student: Any) -> Difference:
        """Of the numbers."""
        change = student.score - teacher.score
        return Difference(abs(change) <= self.within, "", change)

    def is_right(self, row: Row, answer: Answer) -> bool | None:
        """See `Task`: a number is more or less right."""
        return None

    # Looking through rows

    @property
    def classes(self) -> Sequence[str]:
        """Numbers are of no class."""
        return ()

    @property
    def sliders(self) -> Sliders:
        """By how much both differ."""
        width = self.scale.width
        return Sliders("They differ by at least", "They differ by at most", width, width / 100)

    def measure(self, one: Both) -> float:
        """See `Task`."""
        return abs(one.apart.change)

    # As HTML

    def overview(self, rows: Sequence[Both]) -> str:
        """Teacher against student, and each against the right numbers."""
        taught = [one.row.teacher.score for one in rows]
        learnt = [one.student.score for one in rows]
        far = [not one.apart.agree for one in rows]
        known = [place for place, one in enumerate(rows) if one.row.label is not None]
        gold = [float(rows[place].row.label) for place in known]
        scale = self.scale.with_room(taught, learnt)
        clouds = [Cloud("Teacher", "Student", taught, learnt, scale, scale, far, self.within)]
        for who, numbers in (("Teacher", taught), ("Student", learnt)):
            if known:
                theirs = [numbers[place] for place in known]
                clouds.append(Cloud("Right", who, gold, theirs, self.gold_scale(gold, scale), scale))
        note = (
            "A dot for each test row. On the dashed line both say the same; between the thin lines, "
            f"{self.limit} apart, they agree. Orange: they differ."
        )
        return scatters(f"{self.number.capitalize()} against {self.number}", clouds, note)

    @property
    def limit(self) -> str:
        """How near two numbers are that agree, for people."""
        return f"{self.within:.2g}"

    def says(self, answer: Answer) -> str:
        """See `Task`."""
        return f"gives <b>{self.brief(answer)}</b>"

    def sure(self, answer: Answer) -> str:
        """See `Task`: a number is not sure."""
        return ""

    def change(self, apart: Difference) -> str:
        """See `Task`."""
        return f"The student's {self.number} is <b>{self.changed(apart)}</b>."

    def changed(self, apart: Difference) -> str:
        """See `Task`."""
        way = "higher" if apart.change > 0 else "lower"
        return f"{self.scale.shown(abs(apart.change))} {way}"

    def verdict(self, taught: Answer, learnt: Answer, apart: Difference) -> str:
        """See `Task`."""
        word, how = ("agree", "within") if apart.agree else ("disagree", "by more than")
        return (
            f"<b>They {word}</b>, {how} {self.limit}: the teacher {self.says(taught)}, "
            f"the student {self.says(learnt)}. {self.change(apart)}"
        )

    def body(self, asked: Input, answer: Answer, other: Answer | None = None, who: Who = "student") -> str:
        """The number, and where it stands on the scale beside the other one."""
        whose = "student" if who == "teacher" else "teacher"
        drawn = self.scale.drawn(answer.score, None if other is None else other.score, whose)
        return f"<h2>{escape(self.brief(answer))} <small>{escape(self.number)}</small></h2>{drawn}"

    # In words

    def gold(self, label: Any) -> str:
        """See `Task`."""
        return f"{float(label):g}"

    def brief(self, answer: Answer) -> str:
        """See `Task`."""
        return self.scale.shown(answer.score)

    def plain(self, asked: Input, answer: Answer) -> str:
        """See `Task`."""
        return self.brief(answer)

    # Which words matter

    def aim(self, asked: Input, answer: Answer) -> Aim | str:
        """The number itself."""
        what, least = f"the {self.number}", self.scale.width / 2000
        return Aim(what, what, lambda _, found: found.score, self.scale.signed, unit="", least=least)
