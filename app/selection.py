"""Which test rows are looked at, and in which order."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from app.answered import KINDS, Both, Kind
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
    label: str = ""  # the right answer, or the teacher's where that is unknown; empty: any
    least: float = 0.0  # the student's confidence, 0 to 1
    most: float = 1.0
    search: str = ""  # letters that the text holds, or one of the two, in either case
    order: Order = "change"

    def __post_init__(self) -> None:
        """Raise `InputError` for a kind or an order that is not known."""
        for found, known in ((self.kind, KINDS), (self.order, ORDERS)):
            if found not in known:
                raise InputError(
                    f"{str(found)[:40]!r}", f"one of {', '.join(known)}", "give one of these names"
                )


def select(rows: Sequence[Both], asked: Selection) -> list[Both]:
    """The rows that are asked for, in the order that is asked for."""
    letters = asked.search.strip().casefold()
    found = [
        one
        for one in rows
        if one.has(asked.kind)
        and (not asked.label or (one.row.label or one.row.teacher.label) == asked.label)
        and asked.least <= one.student.score <= asked.most
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
