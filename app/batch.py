"""A csv file in, the same file with both answers out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from app.comparer import Comparer
from app.tasks import Task
from serve.csv_file import annotate_csv
from serve.errors import InputError
from serve.inputs import Input, parts
from serve.tasks import Answer

MOST_ROWS = 2_000
MOST_BYTES = 2_000_000
_AT_ONCE = 16  # whoever waits for one answer waits for so many texts of a file at most
_SHOWN = 8


@dataclass(frozen=True, slots=True)
class Columns:
    """Where the texts are in a file; a name that is None is looked for."""

    text: str | None = None
    text_pair: str | None = None
    pairs: bool = False


@dataclass(frozen=True, slots=True)
class Shown:
    """One line of the result, for the page."""

    texts: Sequence[str]  # one, or two of a pair
    teacher: str  # empty where it has no answer
    student: str
    apart: bool = False  # they differ


@dataclass(slots=True)
class Counted:
    """What became of the rows."""

    rows: int = 0
    compared: int = 0  # rows that the teacher answered too
    agreed: int = 0  # of these, with the same answer
    head: list[Shown] = field(default_factory=list)

    def add(self, task: Task, asked: Input, taught: Answer | None, learnt: Answer) -> list[str]:
        """Count one row; returns its cells of `Task.columns`."""
        same = taught is not None and task.difference(asked, taught, learnt).agree
        self.rows += 1
        self.compared += taught is not None
        self.agreed += same
        if len(self.head) < _SHOWN:
            said = task.plain(asked, taught) if taught else ""
            self.head.append(
                Shown(parts(asked), said, task.plain(asked, learnt), apart=bool(taught) and not same)
            )
        theirs = task.answer_cells(asked, taught) if taught else [""] * len(task.answer_columns)
        cells = [
            *theirs,
            *task.answer_cells(asked, learnt),
            _yes(same) if taught else "",
            _yes(learnt.truncated),
        ]
        return cells[: len(task.columns)]


def answer_file(
    comparer: Comparer,
    source: Path,
    target: Path,
    columns: Columns | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Counted:
    """Write `source` with the columns of the task to `target`; cells that a spreadsheet would run are disarmed.

    Raises `InputError`, in which files are called by their names alone.
    """
    counted, wanted, task = Counted(), columns or Columns(), comparer.task

    def cells(asked: Sequence[Input]) -> list[list[str]]:
        lines = []
        for start in range(0, len(asked), _AT_ONCE):
            some = asked[start : start + _AT_ONCE]
            both = comparer.both(some)
            lines += [counted.add(task, one, *answers) for one, answers in zip(some, both, strict=True)]
        return lines

    try:
        if source.stat().st_size > MOST_BYTES:
            raise InputError(
                f"{source} has {source.stat().st_size:,} bytes",
                f"at most {MOST_BYTES:,}",
                "split it, or answer it with `compress predict`",
            )
        annotate_csv(
            source,
            target,
            task.columns,
            cells,
            column=wanted.text,
            pairs=wanted.pairs,
            pair_column=wanted.text_pair,
            progress=progress,
            most_rows=MOST_ROWS,
        )
    except InputError as error:
        raise InputError(
            *(_here(part, source) for part in (error.found, error.expected, error.remedy))
        ) from None
    return counted


def _here(words: str, source: Path) -> str:
    """The words as the page says them: no folder of the server, no option of the command line."""
    return words.replace(str(source), source.name).replace(" (--column)", "")


def _yes(fact: bool) -> str:
    return "true" if fact else "false"
