"""What programs may call, by name: `gradio_client`, plain HTTP, and with `--mcp` whoever speaks that protocol.

The docstrings are what the page's API description and an MCP client show. Answering a csv file, `/batch`, is the
button of its tab.
"""

from typing import Any

from gradio import events

from app.answered import Pair
from app.attribution import Piece
from app.comparison import Timed
from app.forms import typed
from app.selection import Selection, select
from app.subject import Subject
from app.telling import told
from serve.tasks import Answer

_MOST_ROWS = 1_000


class Endpoints:
    """The named endpoints over one subject; each raises what the page would show."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject

    def register(self) -> None:
        """Name them, inside a page."""
        for name in ("classify", "compare", "weigh", "disagreements"):
            events.api(told(getattr(self, name)), api_name=name)

    def classify(self, text: str) -> dict[str, Any]:
        """The student's answer to a text.

        Args:
            text: What is classified.
        """
        return _answer(self._subject.comparer.classify(typed([text])))

    def compare(self, text: str) -> dict[str, Any]:
        """Teacher and student on the same text, with the largest change in probability and the latency of both.

        Args:
            text: What both are asked.
        """
        found = self._subject.comparer.compare(typed([text]))
        teacher = _timed(found.teacher) if found.teacher else found.stored and _answer(found.stored)
        apart = found.apart
        return {
            "teacher": teacher,
            "teacher_is_stored": found.stored is not None,
            "student": _timed(found.student),
            "agree": apart.agree if apart else None,
            "largest_change": {"label": apart.label, "change": apart.change} if apart else None,
            "row": found.row,
        }

    def weigh(self, text: str) -> dict[str, Any]:
        """What the probability of the student's answer loses when each word is left out, in both models.

        Args:
            text: What is weighed.
        """
        found = self._subject.comparer.weigh(typed([text]))
        return {
            "label": found.label,
            "student": _weights(found.student),
            "teacher": _weights(found.teacher) if found.teacher is not None else None,
        }

    def disagreements(
        self,
        kind: str = "differ",
        label: str = "",
        least: float = 0.0,
        most: float = 1.0,
        search: str = "",
        order: str = "change",
        limit: int = 50,
    ) -> dict[str, Any]:
        """Test rows with the right answer, the teacher's and the student's.

        Args:
            kind: all, differ, student_wrong, teacher_wrong or both_wrong.
            label: The right answer of the rows; empty for any.
            least: The student's confidence at least, 0 to 1.
            most: The student's confidence at most, 0 to 1.
            search: A part of the text.
            order: change, surest, doubtful or row.
            limit: How many rows at most.
        """
        asked = Selection(kind, label, least, most, search, order)  # type: ignore[arg-type]  # it checks both names
        self._subject.rows.finish()
        found = select(self._subject.rows.pairs, asked)
        shown = found[: max(0, min(limit, _MOST_ROWS))]
        return {"count": len(found), "rows": [_pair(pair) for pair in shown]}


def _answer(answer: Answer) -> dict[str, Any]:
    return {
        "label": answer.label,
        "probabilities": dict(answer.probabilities),
        "tokens": answer.tokens or None,  # a stored answer does not tell
        "truncated": answer.truncated,
    }


def _timed(timed: Timed) -> dict[str, Any]:
    return {**_answer(timed.answer), "p50_ms": timed.p50_ms, "runs": timed.runs}


def _weights(pieces: list[Piece]) -> list[dict[str, Any]]:
    return [{"text": piece.text, "weight": piece.weight} for piece in pieces]


def _pair(pair: Pair) -> dict[str, Any]:
    row = pair.row
    return {
        "id": row.id,
        "text": row.text,
        "label": row.label,
        "teacher": {"label": row.teacher.label, "probabilities": dict(row.teacher.probabilities)},
        "student": {"label": pair.student.label, "probabilities": dict(pair.student.probabilities)},
    }
