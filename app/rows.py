"""A test row, with one answer and with both."""

from dataclasses import dataclass
from typing import Any, Literal, get_args

from serve.inputs import Input
from serve.tasks import Answer

Kind = Literal["all", "differ", "student_wrong", "teacher_wrong", "both_wrong"]
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of `evaluation.jsonl`."""

    id: int
    text: str
    label: Any  # the right answer as the task has it in that file; None where it is not known
    teacher: Answer
    text_pair: str | None = None  # the second text, of what is asked with two

    @property
    def asked(self) -> Input:
        """What the models were asked: the text, or both."""
        return self.text if self.text_pair is None else (self.text, self.text_pair)


@dataclass(frozen=True, slots=True)
class Difference:
    """How far two answers to the same question lie apart."""

    agree: bool
    label: str  # what of the answer differs most: a label, an entity; empty where it is a number
    change: float  # of it, student minus teacher: of a probability between -1 and 1


@dataclass(frozen=True, slots=True)
class Both:
    """One test row with both answers."""

    row: Row
    student: Answer
    apart: Difference
    # Whether the teacher is right, and the student; None where that is not known, or a matter of degree.
    right: tuple[bool, bool] | None = None

    def has(self, kind: Kind) -> bool:
        """Whether the row is of this kind; where nobody knows who is right it is never of one that says so."""
        if kind == "all":
            return True
        if kind == "differ":
            return not self.apart.agree
        return self.right is not None and self.right == {
            "student_wrong": (True, False),
            "teacher_wrong": (False, True),
            "both_wrong": (False, False),
        }.get(kind)
