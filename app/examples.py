"""Which of the stored rows are worth a click."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from app.comparison import difference
from app.evaluation import Row
from app.stored_teacher import StoredTeacher
from serve.encoding import MAX_CHARACTERS
from serve.predictor import Predictor

_ROWS = 300
_AT_ONCE = 25
_SECONDS = 4.0
_SHOWN = 5
_CHARACTERS = 300  # longer texts make the page long, not the point clearer


@dataclass(frozen=True, slots=True)
class Examples:
    """Texts to try, and what trying them told."""

    disagreements: list[str]  # the furthest apart first
    agreements: list[str]
    tried: int  # rows that the student answered just now
    agreed: int  # of these


def choose(rows: Sequence[Row], student: Predictor) -> Examples:
    """Let the student answer some hundred rows, for a few seconds at most, and sort out the telling ones."""
    # A text over the runtime's ceiling would be refused, and with it its whole batch.
    usable = [row for row in rows[:_ROWS] if row.text.strip() and len(row.text) <= MAX_CHARACTERS]
    teacher = StoredTeacher(usable)
    apart: list[tuple[float, str]] = []
    together: dict[str, list[str]] = {}
    tried = 0
    deadline = time.monotonic() + _SECONDS
    for start in range(0, len(usable), _AT_ONCE):
        if time.monotonic() > deadline:
            break
        texts = [row.text for row in usable[start : start + _AT_ONCE]]
        tried += len(texts)
        answers = zip(texts, teacher.predict(texts), student.predict(texts), strict=True)
        for text, taught, learnt in answers:
            found = difference(taught, learnt)
            if found.agree:
                together.setdefault(learnt.label, []).append(text)
            else:
                apart.append((abs(found.change), text))
    agreed = tried - len(apart)
    far_first = [text for _, text in sorted(apart, reverse=True)]
    return Examples(_short(far_first), _short(_mixed(list(together.values()))), tried, agreed)


def _mixed(groups: list[list[str]]) -> list[str]:
    """The first of every label, then the second of every label, and so on."""
    longest = max(map(len, groups), default=0)
    return [group[place] for place in range(longest) for group in groups if place < len(group)]


def _short(texts: Sequence[str]) -> list[str]:
    fitting = [text for text in dict.fromkeys(texts) if len(text) <= _CHARACTERS]
    return fitting[:_SHOWN]
