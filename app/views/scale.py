"""A number on the scale that it belongs to."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, log10

_MOST_MARKS = 6


@dataclass(frozen=True, slots=True)
class Scale:
    """From `low` to `high`; numbers may lie outside of it."""

    low: float
    high: float

    @property
    def width(self) -> float:
        """From end to end; of a scale without width 1, so that one may divide by it."""
        return self.high - self.low or 1.0

    @property
    def decimals(self) -> int:
        """So many that a hundredth of the scale can be told."""
        return max(0, 2 - floor(log10(self.width / 2.5)))

    def shown(self, number: float) -> str:
        """For people; never -0."""
        return f"{round(number, self.decimals) + 0.0:,.{self.decimals}f}"

    def signed(self, number: float) -> str:
        """The same with its sign."""
        return f"{round(number, self.decimals) + 0.0:+,.{self.decimals}f}"

    def with_room(self, *numbers: Sequence[float]) -> "Scale":
        """The scale, made longer where one of these lies outside of it."""
        every = [number for some in numbers for number in some]
        return Scale(min([self.low, *every]), max([self.high, *every]))

    @property
    def marks(self) -> list[float]:
        """Round numbers on it."""
        power = 10 ** floor(log10(self.width / _MOST_MARKS))
        step = next(one * power for one in (1, 2, 5, 10, 20) if self.width / (one * power) < _MOST_MARKS)
        first, last = ceil(self.low / step - 1e-9), floor((self.low + self.width) / step + 1e-9)
        return [round(number * step, 10) + 0.0 for number in range(first, last + 1)]

    def share(self, number: float) -> float:
        """Where it stands, 0 to 1; at the end of the scale where it lies outside."""
        return min(max((number - self.low) / self.width, 0.0), 1.0)

    def drawn(self, number: float, other: float | None, whose: str) -> str:
        """A mark on a line as HTML, and a fainter one for the other model's number."""
        faint = (
            "" if other is None else f'<u style="left:{100 * self.share(other):.2f}%" title="{whose}"></u>'
        )
        ends = f"<small>{self.low:g}</small><small>{self.high:g}</small>"
        told = "" if other is None else f'<p class="note">The fainter mark is the {whose}\'s.</p>'
        return (
            f'<p class="scale">{faint}<i style="left:{100 * self.share(number):.2f}%"></i></p>'
            f'<p class="ends">{ends}</p>{told}'
        )
