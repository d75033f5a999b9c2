"""One label out of several for a text, or for a pair of texts that are read together."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, ClassVar

from app.comparison import difference
from app.rows import Both, Difference
from app.tasks.task import Task, Who
from app.views.bars import Bar, bars
from app.views.confusion import confusion
from serve.inputs import Input
from serve.tasks import Answer, Classification

_TOP = 5  # labels that have a bar


class TextClassification(Task):
    """Labels with their probabilities."""

    name: ClassVar[str] = "text-classification"

    def read_answer(self, asked: Input, told: Mapping[str, Any]) -> Answer:
        """See `Task`."""
        probabilities = {str(label): float(value) for label, value in told["probabilities"].items()}
        if told["label"] not in probabilities:
            raise ValueError(told["label"])
        return Classification(str(told["label"]), probabilities, tokens=0, truncated=False)

    def difference(self, asked: Input, teacher: Any, student: Any) -> Difference:
        """The largest change in the probability of any label."""
        return difference(teacher, student)

    def overview(self, rows: Sequence[Both]) -> str:
        """The teacher's label against the student's."""
        return confusion(rows, self.labels)

    def body(self, asked: Input, answer: Answer, other: Answer | None = None, who: Who = "student") -> str:
        """The label, then a bar for each of the most probable ones."""
        ranked = sorted(answer.probabilities.items(), key=lambda pair: -pair[1])
        shown = [Bar(label, share) for label, share in ranked[:_TOP]]
        return (
            f"<h2>{escape(answer.label)} <small>{answer.score:.1%}</small></h2>"
            f"{bars(shown, more=len(ranked) - len(shown))}"
        )

    def told(self, answer: Answer) -> dict[str, Any]:
        """Label and probabilities."""
        return {"label": answer.label, "probabilities": dict(answer.probabilities)}
