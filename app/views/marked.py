"""A text with some of its parts marked, as HTML.

Made here and not in the browser: places in a text are characters as Python counts them, and JavaScript counts some
of them twice.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

_KINDS = 7  # colours, which repeat; what a part is called stands beside it


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a text that is marked."""

    start: int
    end: int  # the character after the last
    tag: str = ""  # what it is called, shown behind it
    score: float | None = None
    kind: int | None = None  # by which it has its colour
    apart: bool = False  # the other model does not say so
    title: str = ""


def marked(text: str, parts: Sequence[Part], *, small: bool = False) -> str:
    """The text as a paragraph, or in smaller letters for a list of texts.

    Of parts that overlap the first is marked, and what lies outside of it is not.
    """
    done, html = 0, []
    for part in sorted(parts, key=lambda one: (one.start, one.end)):
        start, end = max(part.start, done), min(part.end, len(text))
        if part.start < done or start >= end:
            continue
        html.append(escape(text[done:start]) + _part(text[start:end], part))
        done = end
    # Which way a text runs is told by its first letter, and what a part is called has a way of its own.
    inside = f"{''.join(html)}{escape(text[done:])}"
    if small:
        return f'<span class="marked small" dir="auto">{inside}</span>'
    return f'<p class="marked" dir="auto">{inside}</p>'


def _part(inside: str, part: Part) -> str:
    title = f' title="{escape(part.title)}"' if part.title else ""
    score = f"<small>{part.score:.0%}</small>" if part.score is not None else ""
    sign = '<span class="sign" aria-label="they differ">\u2260</span>' if part.apart else ""
    tag = f'<bdi class="tag">{sign}{escape(part.tag)}{score}</bdi>' if part.tag or sign or score else ""
    looks = "".join(
        look
        for look, has in (
            (f" kind-{(part.kind or 0) % _KINDS}", part.kind is not None),
            (" apart", part.apart),
        )
        if has
    )
    return f'<mark class="part{looks}"{title}>{escape(inside)}{tag}</mark>'
