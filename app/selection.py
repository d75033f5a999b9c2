"""Which test rows are looked at, and in which order."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from app.answered import KINDS, Kind, Pair
from serve.errors import InputError

Order = Literal["change", "surest", "doubtful", "row"]
ORDERS: tuple[Order, ...] = get_args(Order)

_SORT: dict[Order, Callable[[Pair], Any]] = {
    "change": lambda pair: -abs(pair.apart.change),
    "surest": lambda pair: -pair.student.score,
    "doubtful": lambda pair: pair.student.score,
    "row": lambda pair: pair.row.id,
}


@dataclass(frozen=True, slots=True)
class Selection:
    """What somebody asked to see."""

    kind: Kind = "differ"
    label: str = ""  # the right answer, or the teacher's where that is unknown; empty: any
    least: float = 0.0  # the student's confidence, 0 to 1
    most: float = 1.0
    search: str = ""  # letters that the text holds, in either case
    order: Order = "change"

    def __post_init__(self) -> None:
        """Raise `InputError` for a kind or an order that is not known."""
        for found, known in ((self.kind, KINDS), (self.order, ORDERS)):
            if found not in known:
                raise InputError(
                    f"{str(found)[:40]!r}", f"one of {', '.join(known)}", "give one of these names"
                )


def select(pairs: Sequence[Pair], asked: Selection) -> list[Pair]:
    """The rows that are asked for, in the order that is asked for."""
    letters = asked.search.strip().casefold()
    found = [
        pair
        for pair in pairs
        if pair.has(asked.kind)
        and (not asked.label or (pair.row.label or pair.row.teacher.label) == asked.label)
        and asked.least <= pair.student.score <= asked.most
        and letters in pair.row.text.casefold()
    ]
    return sorted(found, key=_SORT[asked.order])


def counts(pairs: Sequence[Pair]) -> dict[Kind, int]:
    """How many rows there are of each kind."""
    return {kind: sum(pair.has(kind) for pair in pairs) for kind in KINDS}


def examples(pairs: Sequence[Pair], count: int = 3, characters: int = 160) -> tuple[list[Pair], list[Pair]]:
    """Rows that are worth a click: the furthest apart, then some on which both agree, of each label in turn."""
    short = [pair for pair in pairs if 0 < len(pair.row.text.strip()) <= characters]
    apart = select(short, Selection(kind="differ"))
    together: dict[str, list[Pair]] = {}
    for pair in short:
        if pair.apart.agree:
            together.setdefault(pair.student.label, []).append(pair)
    longest = max(map(len, together.values()), default=0)
    mixed = [group[place] for place in range(longest) for group in together.values() if place < len(group)]
    return apart[:count], mixed[:count]
