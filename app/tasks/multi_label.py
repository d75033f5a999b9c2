"""Any number of labels for a text, each with a probability and a threshold of its own."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, ClassVar

from app.comparison import difference
from app.rows import Both, Difference, Row
from app.tasks.task import Aim, Task, Who, points
from app.views.bars import Bar, bars
from app.views.tallies import Tally, tallies
from serve.inputs import Input
from serve.tasks import Answer, LabelSet
from serve.tasks import MultiLabel as Answers
from serve.tasks.multi_label import THRESHOLD

_TOP = 6  # labels that have a bar, besides those that either gives


class MultiLabel(Task):
    """Sets of labels."""

    name: ClassVar[str] = "text-classification"
    same: ClassVar[str] = "The same set of labels"
    agreement_means: ClassVar[str] = "same set of labels as the teacher"
    classes_are: ClassVar[str] = "Label"

    def read_answer(self, asked: Input, told: Mapping[str, Any]) -> Answer:
        """See `Task`."""
        probabilities = {str(label): float(value) for label, value in told["probabilities"].items()}
        given = tuple(label for label in probabilities if label in told["labels"])
        return LabelSet(given, probabilities, tokens=0, truncated=False)

    def difference(self, asked: Input, teacher: Any, student: Any) -> Difference:
        """Of the sets; the largest change is of a label on which they differ, where there is one."""
        apart = set(teacher.labels) ^ set(student.labels)
        found = difference(teacher, student)
        if not apart:
            return Difference(True, found.label, found.change)
        changes = {
            label: student.probabilities.get(label, 0.0) - teacher.probabilities.get(label, 0.0)
            for label in apart
        }
        label = max(sorted(changes), key=lambda name: abs(changes[name]))
        return Difference(False, label, changes[label])

    def is_right(self, row: Row, answer: Answer) -> bool | None:
        """The very set of labels."""
        assert isinstance(answer, LabelSet)
        return None if row.label is None else set(answer.labels) == set(row.label)

    def concerns(self, one: Both, wanted: str) -> bool:
        """On which labels a row differs; where it does not, which are given or right."""
        taught, learnt = _given(one.row.teacher), _given(one.student)
        return wanted in (taught | set(one.row.label or ()) if one.apart.agree else taught ^ learnt)

    def overview(self, rows: Sequence[Both]) -> str:
        """Of each label, on how many rows both give it, or one alone."""
        shown = [
            Tally.of(
                label, [(label in _given(one.row.teacher), label in _given(one.student)) for one in rows]
            )
            for label in self.labels
        ]
        right = {label: sum(label in (one.row.label or ()) for one in rows) for label in self.labels}
        known = any(one.row.label is not None for one in rows)
        return tallies(
            "Who gives which label",
            "Test rows by label. A row counts once for each label that it is given.",
            shown,
            right if known else None,
        )

    def says(self, answer: Answer) -> str:
        """See `Task`."""
        given = ", ".join(f"<b>{escape(label)}</b>" for label in _in_order(answer))
        return f"gives {given}" if given else "gives <b>no label</b>"

    def sure(self, answer: Answer) -> str:
        """See `Task`: each label has a probability of its own."""
        return ""

    def verdict(self, taught: Answer, learnt: Answer, apart: Difference) -> str:
        """See `Task`."""
        if apart.agree:
            given = ", ".join(f"<b>{escape(label)}</b>" for label in _in_order(learnt))
            return f"<b>They agree</b> on {given or '<b>no label</b>'}. {self.change(apart)}"
        return super().verdict(taught, learnt, apart)

    def body(self, asked: Input, answer: Answer, other: Answer | None = None, who: Who = "student") -> str:
        """The set, then a bar for each of the labels that either gives and of the most probable ones."""
        given = _given(answer)
        wanted = given | (_given(other) if other else set())
        ranked = sorted(answer.probabilities.items(), key=lambda pair: -pair[1])
        shown = [pair for place, pair in enumerate(ranked) if place < _TOP or pair[0] in wanted]
        # The teacher's own thresholds are not in the bundle.
        limits = self._limits() if who == "student" else {}
        lines = [Bar(label, share, limits.get(label), label in given) for label, share in shown]
        head = ", ".join(_in_order(answer)) or "no label"
        return f"<h2>{escape(head)}</h2>{bars(lines, more=len(ranked) - len(shown))}"

    def _limits(self) -> dict[str, float]:
        assert isinstance(self.answering, Answers)
        return {label: self.answering.thresholds.get(label, THRESHOLD) for label in self.labels}

    def gold(self, label: Any) -> str:
        """See `Task`."""
        return ", ".join(label) or "none"

    def brief(self, answer: Answer) -> str:
        """See `Task`."""
        assert isinstance(answer, LabelSet)
        return (
            ", ".join(f"{label} {answer.probabilities[label]:.0%}" for label in _in_order(answer)) or "none"
        )

    def told(self, answer: Answer) -> dict[str, Any]:
        """The given labels, and every probability."""
        assert isinstance(answer, LabelSet)
        return {"labels": list(answer.labels), "probabilities": dict(answer.probabilities)}

    def aim(self, asked: Input, answer: Answer) -> Aim | str:
        """The surest of the labels that are given; of all where none is."""
        ranked = [*_in_order(answer), max(answer.probabilities, key=lambda one: answer.probabilities[one])]
        label = ranked[0]
        return Aim(
            label, f"the probability of {label}", lambda _, found: found.probabilities.get(label, 0.0), points
        )


def _given(answer: Answer) -> set[str]:
    assert isinstance(answer, LabelSet)
    return set(answer.labels)


def _in_order(answer: Answer) -> list[str]:
    """The given labels, the most probable first."""
    assert isinstance(answer, LabelSet)
    return sorted(answer.labels, key=lambda label: -answer.probabilities[label])
