"""Labels with their probabilities as bars, in HTML."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape


@dataclass(frozen=True, slots=True)
class Bar:
    """A label's probability, and where it is given or not by a threshold of its own, that."""

    label: str
    share: float  # 0 to 1
    threshold: float | None = None
    given: bool | None = None  # None: nothing is given or not


def bars(shown: Sequence[Bar], more: int = 0) -> str:
    """A bar each, and how many labels are not shown."""
    lines = "".join(map(_bar, shown))
    rest = f'<p class="note">and {more} more label{"s" if more > 1 else ""}</p>' if more > 0 else ""
    return f'<ul class="bars">{lines}</ul>{rest}'


def _bar(one: Bar) -> str:
    mark = "" if one.given is None else '<span class="given">\u2713</span> ' if one.given else ""
    tick, limit = "", ""
    if one.threshold is not None:
        tick = f'<u style="left:{100 * min(one.threshold, 1.0):.2f}%"></u>'
        limit = f" <small>from {one.threshold:.1%}</small>"
    look = "" if one.given is None else ' class="yes"' if one.given else ' class="no"'
    return (
        f'<li{look}><span class="name">{mark}{escape(one.label)}</span>'
        f'<span class="share">{one.share:.1%}{limit}</span>'
        f'<span class="bar"><i style="width:{100 * one.share:.2f}%"></i>{tick}</span></li>'
    )
