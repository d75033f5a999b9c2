"""How two lists of answers differ."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

TOLERANCE = 1e-4  # of a score, a number of a regression or of a vector


@dataclass(frozen=True)
class Compared:
    """One line of the table."""

    what: str
    kind: str  # of rows
    rows: int
    answers: int  # labels, entities or numbers that were held against each other
    differing: int  # rows with another label, span, offset, or a score further away than the tolerance
    largest: float  # difference in a score among answers of one meaning


def compare(
    what: str,
    kind: str,
    ours: Sequence[Any],
    theirs: Sequence[Any],
    scores: Callable[[Any], dict[Any, float]],
    decision: Callable[[Any], Any],
) -> Compared:
    """`scores` gives an answer's numbers by what they are numbers of, `decision` what must be equal."""
    differing, largest, count = 0, 0.0, 0
    for mine, other in zip(ours, theirs, strict=True):
        here, there = scores(mine), scores(other)
        away = max(_distances(here, there), default=0.0)
        largest = max(largest, away)
        count += len(there)
        differing += decision(mine) != decision(other) or here.keys() != there.keys() or away > TOLERANCE
    return Compared(what, kind, len(ours), count, differing, largest)


def _distances(here: dict[Any, float], there: dict[Any, float]) -> Iterable[float]:
    return (abs(here[name] - there[name]) for name in here.keys() & there.keys())


def table(found: Sequence[tuple[str, Compared]]) -> str:
    """As Markdown, a line for each; the first of each pair is the model's name."""
    lines = [
        "| model | what | rows | answers | rows that differ | largest difference |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {model} | {one.what} | {one.rows} {one.kind} | {one.answers:,} | {one.differing} | {one.largest:.1e} |"
        for model, one in found
    ]
    return "\n".join(lines)
