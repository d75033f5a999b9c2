"""Answers in files that are read without the training stack: evaluation.jsonl, and files of a user."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from compress.tasks.answer_places import Span, padded_spans, placed, told_answers
from compress.tasks.interface import Fault, Floats, Labels, TellingPart

_REBUILD = "make the bundle again with `compress run`, or copy it again from where it was made"


class AnswerTelling(TellingPart):
    """Labels are places in the context, answers places with how sure."""

    def gathered_labels(self, labels: Sequence[Any]) -> Labels:
        """See `Task`."""
        return padded_labels(labels)

    def gathered_answers(self, answers: Sequence[Any]) -> Floats:
        """See `Task`."""
        return np.array(answers, dtype=np.float64).reshape(-1, 3)

    def tell_label(self, label: Any, labels: Sequence[str]) -> Any:
        """Of every right answer first character and the one after the last; empty where there is none."""
        return tell_spans(label)

    def read_label(self, told: Any, labels: Sequence[str]) -> Any:
        """See `Task`."""
        return read_spans(told)

    def file_row(
        self, row: Mapping[str, object], text: str, label: str | None, text_pair: str | None = None
    ) -> Mapping[str, object]:
        """See `Task`: answers as places in their context."""
        return (
            row if label is None else {**row, label: parse_answers(row.get(label), row.get(text_pair or ""))}
        )

    def parse_label(self, cell: Any, labels: Sequence[str], names: dict[str, str]) -> Any:
        """What `file_row` made."""
        return cell

    def tell_answer(self, answer: Floats, labels: Sequence[str]) -> dict[str, Any]:
        """First character, the one after the last, and how sure."""
        return tell_answer(answer)

    def read_answer(self, told: Any, labels: Sequence[str]) -> Any:
        """See `Task`."""
        return read_answer(told)


def padded_labels(rows: Sequence[Sequence[Span]]) -> Labels:
    """What `read_spans` or `parse_answers` gave row by row, as labels."""
    return padded_spans(rows)


def tell_spans(label: Any) -> list[list[int]]:
    """Of every right answer its place; `label` is (answers, 2)."""
    return [[start, end] for start, end in label.tolist() if end > start >= 0]


def read_spans(told: Any) -> list[Span]:
    """As `tell_spans` told it; raises `Fault`."""
    if not isinstance(told, list) or not all(_is_span(one) for one in told):
        raise Fault(f" has the label {str(told)[:60]!r}", "[start, end] in the context for each right answer")
    return [(start, end) for start, end in told]


def parse_answers(cell: Any, context: Any) -> list[Span]:
    """A user's answers, in a context that has them; raises `Fault`."""
    if not isinstance(context, str):
        raise Fault("no context", "a text in which the answers stand", "name its column context")
    return [placed(context, text, start) for text, start in told_answers(cell)]


def tell_answer(answer: Floats) -> dict[str, Any]:
    """One row of the task's answers."""
    start, end, sure = answer.tolist()
    return {"start": int(start), "end": int(end), "score": round(sure, 6)}


def read_answer(told: Any) -> list[float]:
    """As `tell_answer` told it; raises `Fault`."""
    start, end, sure = (
        told.get(name) if isinstance(told, Mapping) else None for name in ("start", "end", "score")
    )
    is_number = isinstance(sure, int | float) and not isinstance(sure, bool) and bool(np.isfinite(sure))
    if not _is_span([start, end]) or not is_number:
        raise Fault(
            f": the teacher's answer is {str(told)[:60]!r}",
            "start and end in the context, and a score",
            _REBUILD,
        )
    return [float(str(number)) for number in (start, end, sure)]


def _is_span(one: Any) -> bool:
    return (
        isinstance(one, list | tuple)
        and len(one) == 2
        and all(type(number) is int for number in one)
        and 0 <= one[0] <= one[1]
    )
