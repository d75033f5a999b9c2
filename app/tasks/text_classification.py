"""One label out of several for a text, or for a pair of texts that are read together."""

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

from app.comparison import Difference, difference
from app.forms import Field, Form
from serve.inputs import Input
from serve.tasks import Answer

_TOP = 5  # labels that have a bar
_PLAIN = {"text", "text_pair"}  # names of columns that tell a reader nothing
_TEXT = Field("text", "Text", "Type a text, then press Compare")
_PAIR = (("text", "First text", "Type one text here"), ("text_pair", "Second text", "and the other one here"))


@dataclass(frozen=True, slots=True)
class TextClassification:
    """Labels with their probabilities."""

    name: str = "text-classification"

    def form(self, columns: Mapping[str, str], *, pairs: bool) -> Form:
        """One box, or two that are called as the data calls them."""
        if not pairs:
            return Form((_TEXT,))
        return Form(
            tuple(Field(name, _called(label, columns.get(name)), hint) for name, label, hint in _PAIR)
        )

    def difference(self, teacher: Any, student: Any) -> Difference:
        """The largest change in the probability of any label."""
        return difference(teacher, student)

    def body(self, asked: Input, answer: Answer) -> str:  # other tasks answer within the text
        """The label, then a bar for each of the most probable ones."""
        ranked = sorted(answer.probabilities.items(), key=lambda pair: -pair[1])
        bars = "".join(
            f'<li><span class="name">{escape(label)}</span><span class="share">{share:.1%}</span>'
            f'<span class="bar"><i style="width:{100 * share:.2f}%"></i></span></li>'
            for label, share in ranked[:_TOP]
        )
        more = len(ranked) - _TOP
        rest = f'<p class="note">and {more} more label{"s" if more > 1 else ""}</p>' if more > 0 else ""
        return (
            f"<h2>{escape(answer.label)} <small>{answer.score:.1%}</small></h2>"
            f'<ul class="bars">{bars}</ul>{rest}'
        )

    def document(self, answer: Answer) -> dict[str, Any]:
        """Label, probabilities, and how much was read."""
        return {
            "label": answer.label,
            "probabilities": dict(answer.probabilities),
            "tokens": answer.tokens or None,  # a stored answer does not tell
            "truncated": answer.truncated,
        }


def _called(label: str, column: str | None) -> str:
    return label if column is None or column in _PLAIN else f"{label} ({column})"
