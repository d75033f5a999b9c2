"""What programs may call, by name: `gradio_client`, plain HTTP, and with `--mcp` whoever speaks that protocol.

The docstrings are what the page's API description and an MCP client show. Answering a csv file, `/batch`, is the
button of its tab.
"""

from collections.abc import Callable
from inspect import Parameter, Signature
from math import inf
from typing import Any

from gradio import events

from app.attribution import Piece
from app.comparison import Timed
from app.forms import Form
from app.rows import Both
from app.selection import Selection, select
from app.subject import Subject
from app.telling import told
from serve.inputs import Input, parts

_MOST_ROWS = 1_000


class Endpoints:
    """The named endpoints over one subject; each raises what the page would show."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject

    def register(self) -> None:
        """Name them, inside a page."""
        for act in (self.classify, self.compare, self.weigh):
            events.api(told(by_boxes(act, self._subject.form)), api_name=act.__name__)
        events.api(told(self.disagreements), api_name="disagreements")

    def classify(self, asked: Input) -> dict[str, Any]:
        """The student's answer."""
        return self._subject.task.document(self._subject.comparer.classify(asked))

    def compare(self, asked: Input) -> dict[str, Any]:
        """Teacher and student on the same text, with the largest change and the latency of both."""
        found, document = self._subject.comparer.compare(asked), self._subject.task.document
        teacher = self._timed(found.teacher) if found.teacher else found.stored and document(found.stored)
        apart = found.apart
        return {
            "teacher": teacher,
            "teacher_is_stored": found.stored is not None,
            "student": self._timed(found.student),
            "agree": apart.agree if apart else None,
            "largest_change": {"label": apart.label, "change": apart.change} if apart else None,
            "row": found.row,
        }

    def weigh(self, asked: Input) -> dict[str, Any]:
        """What the student's answer loses when each word is left out, in both models.

        Of a label its probability, of a number as much as it changes; `why_not` says why there is nothing to lose.
        """
        found = self._subject.comparer.weigh(asked)
        return {
            "label": found.label,
            "why_not": found.aim if isinstance(found.aim, str) else None,
            "student": self._weights(found.student),
            "teacher": self._weights(found.teacher) if found.teacher is not None else None,
        }

    def disagreements(
        self,
        kind: str = "differ",
        label: str = "",
        least: float = 0.0,
        most: float | None = None,
        search: str = "",
        order: str = "change",
        limit: int = 50,
    ) -> dict[str, Any]:
        """Test rows with the right answer, the teacher's and the student's.

        Args:
            kind: all, differ, student_wrong, teacher_wrong or both_wrong; where answers are numbers all or differ.
            label: The right answer of the rows, a label or a type of entity on which they differ; empty for any.
            least: The student's confidence at least, 0 to 1; of numbers, by how much the two differ.
            most: The same at most.
            search: A part of the text, or of one of the two.
            order: change, surest, doubtful or row.
            limit: How many rows at most.
        """
        asked = Selection(kind, label, least, inf if most is None else most, search, order)  # type: ignore[arg-type]  # it checks both names
        self._subject.rows.finish()
        found = select(self._subject.rows.done, asked, self._subject.task)
        shown = found[: max(0, min(limit, _MOST_ROWS))]
        return {"count": len(found), "rows": [self._row(one) for one in shown]}

    def _timed(self, timed: Timed) -> dict[str, Any]:
        return {**self._subject.task.document(timed.answer), "p50_ms": timed.p50_ms, "runs": timed.runs}

    def _weights(self, pieces: list[Piece]) -> list[dict[str, Any]]:
        names = [field.name for field in self._subject.form.fields]
        return [{"in": names[piece.place], "text": piece.text, "weight": piece.weight} for piece in pieces]

    def _row(self, one: Both) -> dict[str, Any]:
        row = one.row
        names = (field.name for field in self._subject.form.fields)
        return {
            "id": row.id,
            **dict(zip(names, parts(row.asked), strict=True)),
            "label": row.label,
            "teacher": self._subject.task.told(row.teacher),
            "student": self._subject.task.told(one.student),
            "agree": one.apart.agree,
        }


def by_boxes(act: Callable[[Input], dict[str, Any]], form: Form) -> Callable[..., dict[str, Any]]:
    """`act` as a function of the page's boxes, by their names: what Gradio and MCP tell a program to give."""

    def asked(*values: str) -> dict[str, Any]:
        return act(form.asked(values))

    names = [field.name for field in form.fields]
    lines = "".join(f"    {field.name}: {field.label}.\n" for field in form.fields)
    asked.__name__, asked.__doc__ = act.__name__, f"{act.__doc__}\n\nArgs:\n{lines}"
    asked.__annotations__ = {**dict.fromkeys(names, str), "return": dict[str, Any]}
    given = [Parameter(name, Parameter.POSITIONAL_OR_KEYWORD, annotation=str) for name in names]
    asked.__signature__ = Signature(given, return_annotation=dict[str, Any])  # type: ignore[attr-defined]  # PEP 362
    return asked
