"""Axes of drawings: round numbers along them, and where a value stands."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, log10

from compress.judge.report import Interval

_ROOM = 1.2  # beyond the least and the greatest value, where distances are ratios


@dataclass(frozen=True)
class Axis:
    """Values between `low` and `high`, along pixels from `start` to `end`."""

    low: float
    high: float
    start: float
    end: float
    ticks: Sequence[float]
    logarithmic: bool = False

    def at(self, value: float) -> float:
        """Where a value stands, in pixels."""
        share = (self._place(value) - self._place(self.low)) / (
            self._place(self.high) - self._place(self.low)
        )
        return self.start + (self.end - self.start) * share

    def _place(self, value: float) -> float:
        return log10(value) if self.logarithmic else value

    def shown(self, tick: float) -> str:
        """A tick's number, with as many decimals as tell it from its neighbours."""
        return f"{tick:g}" if self.logarithmic else f"{tick:,.{decimals(self.ticks)}f}"


def linear(values: Sequence[float], start: float, end: float) -> Axis:
    """An axis on which all of these have room."""
    marks = ticks(min(values), max(values))
    return Axis(*room(values, marks), start, end, marks)


def logarithmic(values: Sequence[float], start: float, end: float) -> Axis:
    """An axis on which equal distances are equal ratios; the values are above 0."""
    low, high = min(values), max(values)
    decades = range(floor(log10(low)) - 1, ceil(log10(high)) + 2)
    steps = [round(factor * 10.0**decade, 10) for decade in decades for factor in (1, 2, 5)]
    first, last = low / _ROOM, high * _ROOM
    marks = [step for step in steps if first <= step <= last]
    if len(marks) < 2:
        marks = [max(step for step in steps if step <= low), min(step for step in steps if step > high)]
    elif len(marks) > 7:  # more than two decades: their ends alone
        marks = [step for step in marks if log10(step) == round(log10(step))]
    return Axis(min(first, marks[0]), max(last, marks[-1]), start, end, marks, logarithmic=True)


def ticks(low: float, high: float) -> list[float]:
    """Three to six round numbers that span the values."""
    span = max(high - low, 1e-3)
    power = 10 ** floor(log10(span / 4))
    step = next(factor * power for factor in (1, 2, 5, 10) if span / (factor * power) <= 5)
    first, last = floor(low / step + 1e-9), ceil(high / step - 1e-9)
    return [round(step * number, 10) for number in range(first, max(last, first + 1) + 1)]


def decimals(marks: Sequence[float]) -> int:
    """How many of them tell these ticks apart."""
    return max(0, -floor(log10(marks[1] - marks[0]) + 1e-9))


def room(values: Sequence[float], marks: Sequence[float]) -> Interval:
    """From the least value or tick to the greatest, and a little more."""
    low, high = min(*values, marks[0]), max(*values, marks[-1])
    return low - 0.02 * (high - low), high + 0.02 * (high - low)
