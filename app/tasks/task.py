"""What the page must know of a task; everything else is the same for all."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, ClassVar, Literal

from app.forms import Field, Form
from app.rows import KINDS, Both, Difference, Kind, Row
from serve.inputs import Input, parts
from serve.tasks import Answer, Answering

Who = Literal["teacher", "student"]

_PLAIN = {"text", "text_pair"}  # names of columns that tell a reader nothing
_TEXT = Field("text", "Text", "Type a text, then press Compare")
_PAIR = (("text", "First text", "Type one text here"), ("text_pair", "Second text", "and the other one here"))
ORDERS = {
    "change": "Largest change first",
    "surest": "Student surest first",
    "doubtful": "Student most in doubt first",
    "row": "As in the file",
}


@dataclass(frozen=True, slots=True)
class Sliders:
    """Two sliders, from 0 to `end`, by which rows are narrowed."""

    least: str
    most: str
    end: float
    step: float
    one: float = 1.0  # how much on the slider is 1 of `Task.measure`


SURE = Sliders("Student at least so sure, %", "Student at most so sure, %", 100, 1, one=100)


@dataclass(frozen=True, slots=True)
class Aim:
    """What of an answer words may speak for, and how much of it there is in an answer to a shortened text."""

    label: str  # for people: a label, an entity, "the number"
    of: str  # what is lost without a word: "the probability of positive"
    strength: Callable[[Input, Answer], float]
    told: Callable[[float], str]  # a weight, with its sign
    unit: str = "points"  # of what is told; empty where it has none
    least: float = 0.0005  # a smaller weight is none


class Task(ABC):
    """One task, for one bundle. What a subclass does not say is as where each text has one label."""

    name: ClassVar[str]  # the Hub's
    same: ClassVar[str] = "The same label"  # what both give on the rows that agree
    agreement_means: ClassVar[str] = "same label as the teacher"
    is_share: ClassVar[bool] = True  # scores are shares, told in percent
    kinds: ClassVar[tuple[Kind, ...]] = KINDS  # of rows, that one may ask for
    classes_are: ClassVar[str] = "Right answer"  # what rows are narrowed by
    orders: ClassVar[Mapping[str, str]] = ORDERS
    is_stacked: ClassVar[bool] = False  # one answer above the other, for each is as wide as the text
    plots_are: ClassVar[str] = "Who says what"

    def __init__(self, answering: Answering, labels: Sequence[str]) -> None:
        self.answering = answering
        self.labels = tuple(labels)

    # What is asked

    def form(self, columns: Mapping[str, str], *, pairs: bool) -> Form:
        """The boxes; `columns` are the data's own names of the texts, where its recipe gives them."""
        if not pairs:
            return Form((_TEXT,))
        return Form(tuple(Field(name, called(label, columns.get(name)), hint) for name, label, hint in _PAIR))

    # evaluation.jsonl

    @abstractmethod
    def read_answer(self, asked: Input, told: Mapping[str, Any]) -> Answer:
        """The teacher's answer as the bundle stores it; raises KeyError, TypeError or ValueError."""

    def arranged(self, rows: list[Row]) -> list[Row]:
        """The rows as they are shown."""
        return rows

    def moved(self, answer: Answer, before: Input, after: Input) -> Answer:
        """The answer to `before`, for `after`, which differs by the spaces around its texts."""
        return answer

    # Two answers

    @abstractmethod
    def difference(self, asked: Input, teacher: Any, student: Any) -> Difference:
        """How far two answers to the same question lie apart."""

    def is_right(self, row: Row, answer: Answer) -> bool | None:
        """Whether an answer is the right one; None where that is not known, or a matter of degree."""
        return None if row.label is None else bool(answer.label == row.label)

    def both(self, row: Row, student: Answer) -> Both:
        """A row with the student's answer beside the teacher's."""
        taught, learnt = self.is_right(row, row.teacher), self.is_right(row, student)
        right = None if taught is None or learnt is None else (taught, learnt)
        return Both(row, student, self.difference(row.asked, row.teacher, student), right)

    # Looking through rows

    @property
    def classes(self) -> Sequence[str]:
        """What rows may be narrowed by; nothing where there is nothing."""
        return self.labels

    def concerns(self, one: Both, wanted: str) -> bool:
        """Whether a row is of one of the `classes`: by its right answer, or the teacher's where that is unknown."""
        return bool((one.row.label or one.row.teacher.label) == wanted)

    @property
    def sliders(self) -> Sliders:
        """What rows are narrowed by, as a measure."""
        return SURE

    def measure(self, one: Both) -> float:
        """Of a row what the sliders are about: how sure the student is, 0 to 1."""
        return one.student.score

    # As HTML

    @abstractmethod
    def overview(self, rows: Sequence[Both]) -> str:
        """What both say on all rows, at a glance."""

    def says(self, answer: Answer) -> str:
        """What a model does with a text, after its name."""
        return f"says <b>{escape(answer.label)}</b>"

    def sure(self, answer: Answer) -> str:
        """How sure of it the model is; empty where that is no matter."""
        return f", {answer.score:.1%}"

    def change(self, apart: Difference) -> str:
        """The largest change between two answers, in a sentence."""
        return (
            "Largest change in probability, student against teacher: "
            f"{100 * apart.change:+.1f} points for <b>{escape(apart.label)}</b>."
        )

    def changed(self, apart: Difference) -> str:
        """The same in a few words."""
        return f"{100 * apart.change:+.0f} points for {escape(apart.label)}"

    def verdict(self, taught: Answer, learnt: Answer, apart: Difference) -> str:
        """Whether the two agree."""
        if apart.agree:
            return f"<b>They agree</b> on <b>{escape(learnt.label)}</b>. {self.change(apart)}"
        return (
            f"<b>They disagree</b>: the teacher {self.says(taught)}, the student {self.says(learnt)}. "
            f"{self.change(apart)}"
        )

    @abstractmethod
    def body(self, asked: Input, answer: Answer, other: Answer | None = None, who: Who = "student") -> str:
        """One answer: a bar for each label, spans marked in the text. `other` is the other model's."""

    def beside(self, asked: Input, taught: Answer | None, learnt: Answer, rows: Sequence[Both]) -> str:
        """What the test rows have to say to a comparison; nothing unless a task has something."""
        return ""

    def texts(self, one: Both) -> list[str]:
        """The texts of a row, each in a line."""
        return [escape(text.strip()) for text in parts(one.row.asked)]

    def chips(self, one: Both) -> list[str]:
        """The right answer and both models', each in a few words."""
        gold = [] if one.row.label is None else [chip(f"right: {self.gold(one.row.label)}", "gold")]
        answers = (("teacher", one.row.teacher, 0), ("student", one.student, 1))
        return gold + [
            judged(f"{who}: {self.brief(answer)}", None if one.right is None else one.right[place])
            for who, answer, place in answers
        ]

    # In words

    def gold(self, label: Any) -> str:
        """A right answer, for people."""
        return str(label)

    def brief(self, answer: Answer) -> str:
        """An answer in a few words."""
        return f"{answer.label} {answer.score:.0%}"

    def plain(self, asked: Input, answer: Answer) -> str:
        """An answer in a cell of a table."""
        return answer.label

    # For programs

    @abstractmethod
    def told(self, answer: Answer) -> dict[str, Any]:
        """One answer."""

    def document(self, answer: Answer) -> dict[str, Any]:
        """One answer, and how much was read for it."""
        read = {
            "tokens": answer.tokens or None,
            "truncated": answer.truncated,
        }  # a stored answer does not tell
        return {**self.told(answer), **read}

    # A file of texts

    @property
    def answer_columns(self) -> tuple[str, ...]:
        """What an answer has in a file, without whose it is."""
        return tuple(
            name.removeprefix("predicted_") for name in self.answering.CSV_COLUMNS if name != "truncated"
        )

    def answer_cells(self, asked: Input, answer: Answer) -> list[str]:
        """An answer under these columns."""
        return self.answering.cells(answer)[: len(self.answer_columns)]

    @property
    def columns(self) -> tuple[str, ...]:
        """What a file of texts gets."""
        answers = [f"{who}_{name}" for who in ("teacher", "student") for name in self.answer_columns]
        return (*answers, "agree", *["truncated"] * ("truncated" in self.answering.CSV_COLUMNS))

    # Which words matter

    def aim(self, asked: Input, answer: Answer) -> Aim | str:
        """What of an answer words may speak for, or in a sentence why there is nothing."""
        label = answer.label
        return Aim(
            label,
            f"the probability of {label}",
            lambda _, found: found.probabilities.get(label, 0.0),
            points,
        )


def called(label: str, column: str | None) -> str:
    """What a box is called, with the data's own name of it where that tells a reader something."""
    return label if column is None or column in _PLAIN else f"{label} ({column})"


def chip(words: str, look: str = "") -> str:
    """A few words in a frame."""
    return f'<span class="chip {look}">{escape(words)}</span>'


def judged(words: str, right: bool | None) -> str:
    """The same of an answer, with whether it is right."""
    if right is None:
        return chip(words)
    return chip(f"\u2713 {words}", "right") if right else chip(f"\u2717 {words}", "wrong")


def points(weight: float) -> str:
    """A share in points."""
    return f"{100 * weight:+.1f}"
