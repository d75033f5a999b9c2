"""Answers that are numbers: the teacher's against the shipped one's, and both against the right ones."""

from collections.abc import Sequence

from compress.judge.report import Fidelity
from compress.page.axis import Axis, linear
from compress.page.drawing import MARGIN, WIDTH, Drawing, across, box, dots, letters, line, mark, upright

_TOP, _BOTTOM, _LEFT = 34.0, 330.0, 48.0
_FOOT = 44.0


def both_numbers(found: Fidelity) -> Drawing | None:
    """A disc for each row; None where answers are no numbers."""
    if not found.numbers:
        return None
    taught = [row[1] for row in found.numbers]
    shipped = [row[2] for row in found.numbers]
    axis, upwards = _axes([*taught, *shipped], [*taught, *shipped])
    parts = [
        *upright(upwards, _LEFT, WIDTH - MARGIN, "what ships"),
        *across(axis, _TOP, _BOTTOM, "the teacher's number"),
        _equal(axis, upwards),
        _dots(taught, shipped, axis, upwards, "student"),
    ]
    said = f" Both correlate at {found.correlation:.3f}." if found.correlation is not None else ""
    return Drawing(
        "numbers",
        "The teacher's number, and what ships says",
        f"A disc for each of {len(found.numbers):,} test rows. On the dotted line both say the same.{said}",
        f"{len(found.numbers)} rows.{said}",
        _BOTTOM + _FOOT,
        parts,
    )


def right_numbers(found: Fidelity) -> Drawing | None:
    """The right number of each row against both models'; None where nobody knows it."""
    known = [(right, one, other) for right, one, other in found.numbers if right is not None]
    if not known:
        return None
    right, taught, shipped = ([row[place] for row in known] for place in range(3))
    axis, upwards = _axes(right, [*taught, *shipped])
    parts = [
        *upright(upwards, _LEFT, WIDTH - MARGIN, "the models' numbers"),
        *across(axis, _TOP, _BOTTOM, "the right number"),
        _dots(right, taught, axis, upwards, "teacher"),
        _dots(right, shipped, axis, upwards, "student"),
        box(WIDTH - 194, 8, 8, 8, "cell teacher"),
        letters(WIDTH - 178, 16, "teacher", "name"),
        mark(WIDTH - 104, 12, "student", 4.5),
        letters(WIDTH - 92, 16, "what ships", "name"),
    ]
    return Drawing(
        "right-numbers",
        "Both against the right number",
        f"Two marks for each of {len(known):,} test rows: the closer they lie to one rising line, the higher the "
        "correlation.",
        f"{len(known)} rows, each with the teacher's number and the shipped model's.",
        _BOTTOM + _FOOT,
        parts,
    )


def _axes(x: Sequence[float], y: Sequence[float]) -> tuple[Axis, Axis]:
    return linear(x, _LEFT, WIDTH - MARGIN), linear(y, _BOTTOM, _TOP)


def _equal(axis: Axis, upwards: Axis) -> str:
    low, high = max(axis.low, upwards.low), min(axis.high, upwards.high)
    return line(axis.at(low), upwards.at(low), axis.at(high), upwards.at(high), "right-line")


def _dots(x: Sequence[float], y: Sequence[float], axis: Axis, upwards: Axis, look: str) -> str:
    return dots(((axis.at(one), upwards.at(other)) for one, other in zip(x, y, strict=True)), look)
