"""A csv file in, the same file with both answers out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from app.comparer import Comparer
from serve.csv_file import annotate_csv
from serve.errors import InputError
from serve.inputs import Input, joined

MOST_ROWS = 2_000
MOST_BYTES = 2_000_000
ADDED_COLUMNS = ("teacher_label", "teacher_score", "student_label", "student_score", "agree", "truncated")
_AT_ONCE = 16  # whoever waits for one answer waits for so many texts of a file at most
_SHOWN = 8


@dataclass(frozen=True, slots=True)
class Shown:
    """One line of the result, for the page."""

    text: str
    teacher: str  # empty where it has no answer
    student: str


@dataclass(frozen=True, slots=True)
class Batch:
    """What became of a file."""

    target: Path
    rows: int
    compared: int  # rows that the teacher answered too
    agreed: int  # of these, with the same label
    head: list[Shown]


def answer_file(
    comparer: Comparer,
    source: Path,
    target: Path,
    column: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Batch:
    """Write `source` with `ADDED_COLUMNS` to `target`; cells that a spreadsheet would run are disarmed.

    Raises `InputError`, in which files are called by their names alone.
    """
    head: list[Shown] = []
    compared = agreed = 0

    def cells(asked: Sequence[Input]) -> list[list[str]]:
        nonlocal compared, agreed
        texts = [joined(one) for one in asked]
        lines = []
        for start in range(0, len(texts), _AT_ONCE):
            some = texts[start : start + _AT_ONCE]
            for text, (taught, learnt) in zip(some, comparer.both(some), strict=True):
                same = taught is not None and taught.label == learnt.label
                compared += taught is not None
                agreed += same
                label, score, agree = ("", "", "")
                if taught is not None:
                    label, score, agree = taught.label, f"{taught.score:.4f}", _yes(same)
                lines.append(
                    [label, score, learnt.label, f"{learnt.score:.4f}", agree, _yes(learnt.truncated)]
                )
                if len(head) < _SHOWN:
                    head.append(Shown(text, taught.label if taught else "", learnt.label))
        return lines

    try:
        if source.stat().st_size > MOST_BYTES:
            raise InputError(
                f"{source} has {source.stat().st_size:,} bytes",
                f"at most {MOST_BYTES:,}",
                "split it, or answer it with `compress predict`",
            )
        rows = annotate_csv(
            source, target, ADDED_COLUMNS, cells, column=column, progress=progress, most_rows=MOST_ROWS
        )
    except InputError as error:
        named = (
            part.replace(str(source), source.name) for part in (error.found, error.expected, error.remedy)
        )
        raise InputError(*named) from None
    return Batch(target, rows, compared, agreed, head)


def _yes(fact: bool) -> str:
    return "true" if fact else "false"
