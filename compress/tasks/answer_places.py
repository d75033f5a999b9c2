"""Where answers stand in their contexts: read from a cell, checked, and as one array."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from compress.data.rows import NO_LABEL
from compress.tasks.interface import Fault, Labels

Span = tuple[int, int]  # first character in the context and the one after the last
NONE: Span = (0, 0)  # the place of the answer that there is none

_SHOWN = 40  # characters of an answer in a message
_FORM = '{"text": ["Ada"], "answer_start": [12]}'


def padded_spans(rows: Sequence[Sequence[Span] | None]) -> Labels:
    """Answers as int32 (rows, answers of the most, 2), padded with `NO_LABEL`; `NONE` where there is none."""
    most = max((len(row or ()) for row in rows), default=0)
    found = np.full((len(rows), max(1, most), 2), NO_LABEL, dtype=np.int32)
    for array, row in zip(found, rows, strict=True):
        if row is not None:
            array[: max(1, len(row))] = row or [NONE]
    return found


def told_answers(cell: Any) -> list[tuple[str, int]]:
    """Texts and first characters of a row's answers, in either of two forms or as JSON; raises `Fault`."""
    if isinstance(cell, str):
        try:
            cell = json.loads(cell)
        except ValueError:
            cell = None
    if isinstance(cell, list) and all(isinstance(one, Mapping) for one in cell):
        cell = {name: [one.get(name) for one in cell] for name in ("text", "answer_start")}
    texts, starts = (
        (cell.get("text"), cell.get("answer_start")) if isinstance(cell, Mapping) else (None, None)
    )
    if (
        not isinstance(texts, list)
        or not isinstance(starts, list)
        or len(texts) != len(starts)
        or not all(isinstance(text, str) for text in texts)
        or not all(type(start) is int for start in starts)
    ):
        raise Fault(
            f"the answers {str(cell)[:60]!r}" if cell is not None else "no answers",
            f"texts with the places where they begin, {_FORM}, and empty lists where there is no answer",
            "set data.columns.label to the column of answers",
        )
    return [(text, start) for text, start in zip(texts, starts, strict=True) if text]


def placed(context: str, text: str, start: int) -> Span:
    """The answer's place; raises `Fault` where something else stands there."""
    end = start + len(text)
    if start >= 0 and context[start:end] == text:
        return start, end
    stands = repr(_short(context[start:end])) if 0 <= start < len(context) else "nothing"
    elsewhere = context.find(text)
    where = f"it stands at {elsewhere}" if elsewhere >= 0 else "it stands nowhere in it"
    raise Fault(
        f"the answer {_short(text)!r} has answer_start {start}, where {stands} stands in the context; {where}",
        "every answer's text at its answer_start, counted in characters of Unicode as Python counts them",
    )


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."
