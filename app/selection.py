"""Which test rows are looked at, and in which order."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any, Literal, get_args

from app.rows import KINDS, Both, Kind
from app.tasks import Task, default_task
from serve.errors import InputError
from serve.inputs import parts

Order = Literal["change", "surest", "doubtful", "row"]
ORDERS: tuple[Order, ...] = get_args(Order)

_SORT: dict[Order, Callable[[Both], Any]] = {
    "change": lambda one: -abs(one.apart.change),
    "surest": lambda one: -one.student.score,
    "doubtful": lambda one: one.student.score,
    "row": lambda one: one.row.id,
}


@dataclass(frozen=True, slots=True)
class Selection:
    """What somebody asked to see."""

    kind: Kind = "differ"
    label: str = ""  # one of the task's classes; empty: any
    least: float = 0.0  # of the task's measure: the student's confidence, or how far the two are apart
    most: float = inf
    search: str = ""  # letters that the text holds, or one of the two, in either case
    order: Order = "change"

    def __post_init__(self) -> None:
        """Raise `InputError` for a kind or an order that is not known."""
        for found, known in ((self.kind, KINDS), (self.order, ORDERS)):
            _check(found, known)


def select(rows: Sequence[Both], asked: Selection, task: Task | None = None) -> list[Both]:
    """The rows that are asked for, in the order that is asked for; raises `InputError` for a kind there is not."""
    known = task or default_task()
    _check(asked.kind, known.kinds)
    letters = asked.search.strip().casefold()
    found = [
        one
        for one in rows
        if one.has(asked.kind)
        and (not asked.label or known.concerns(one, asked.label))
        and asked.least <= known.measure(one) <= asked.most
        and any(letters in text.casefold() for text in parts(one.row.asked))
    ]
    return sorted(found, key=_SORT[asked.order])


def counts(rows: Sequence[Both]) -> dict[Kind, int]:
    """How many rows there are of each kind."""
    return {kind: sum(one.has(kind) for one in rows) for kind in KINDS}


def examples(rows: Sequence[Both], count: int = 3, characters: int = 160) -> tuple[list[Both], list[Both]]:
    """Rows that are worth a click: the furthest apart, then some on which both agree, of each label in turn.

    Rows with a longer text are taken where there are not enough of the others.
    """
    read = [one for one in rows if all(text.strip() for text in parts(one.row.asked))]
    short = [one for one in read if max(map(len, parts(one.row.asked))) <= characters]
    apart = select(short, Selection(kind="differ"))
    if len(apart) < count:
        apart += [one for one in select(read, Selection(kind="differ")) if one not in apart]
    together: dict[str, list[Both]] = {}
    for one in short if len(short) >= 2 * count else read:
        if one.apart.agree:
            together.setdefault(one.student.label, []).append(one)
    longest = max(map(len, together.values()), default=0)
    mixed = [group[place] for place in range(longest) for group in together.values() if place < len(group)]
    return apart[:count], mixed[:count]


def _check(found: str, known: Sequence[str]) -> None:
    if found not in known:
        raise InputError(f"{str(found)[:40]!r}", f"one of {', '.join(known)}", "give one of these names")
