"""What drawings are made of: lines, marks and letters as SVG, in colours that the page's style gives."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from compress.page.axis import Axis

WIDTH = 440.0  # of every drawing, in pixels; a telephone shows it a little smaller, a screen a little larger
LETTER = 7.6  # the width of a letter, rather too much
MARGIN = 8.0

Look = str  # a class of the page's style: teacher, student, plain, soft, rule, ...


@dataclass(frozen=True)
class Drawing:
    """A drawing with what it is called, how to read it, and its figures in words for who does not see it."""

    name: str  # short and unlike the others of the page: it names the parts that describe the drawing
    title: str
    caption: str
    words: str
    height: float
    parts: Sequence[str]

    def svg(self) -> str:
        """The drawing alone."""
        return (
            f'<svg role="img" aria-labelledby="{self.name}-title {self.name}-words" '
            f'viewBox="0 0 {WIDTH:.0f} {self.height:.0f}">'
            f'<title id="{self.name}-title">{plain(self.title)}</title>'
            f'<desc id="{self.name}-words">{plain(self.words)}</desc>{"".join(self.parts)}</svg>'
        )


def plain(text: str) -> str:
    """A text of others as HTML: nothing in it is markup, and nothing turns or hides what stands beside it."""
    return escape("".join(letter if letter.isprintable() else " " for letter in text))


def cut(text: str, letters: int) -> str:
    """The beginning of a text, where it is longer."""
    return text if len(text) <= letters else text[: letters - 1].rstrip() + "\u2026"


def line(x1: float, y1: float, x2: float, y2: float, look: Look) -> str:
    """A straight line."""
    return f'<line class="{look}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def path(points: Iterable[tuple[float, float]], look: Look) -> str:
    """A line through these points."""
    places = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline class="path {look}" points="{places}"/>'


def dots(points: Iterable[tuple[float, float]], look: Look) -> str:
    """A small dot at each of these points, in few letters: squares for a teacher, else discs."""
    return f'<path class="dots {look}" d="{"".join(f"M{x:.1f} {y:.1f}h0" for x, y in points)}"/>'


def box(x: float, y: float, width: float, height: float, look: Look, opacity: float = 1.0) -> str:
    """A filled rectangle."""
    return (
        f'<rect class="{look}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" rx="2" '
        f'fill-opacity="{opacity:.2f}"/>'
    )


def mark(x: float, y: float, look: Look, radius: float = 5.0) -> str:
    """Where a value stands: a diamond for a teacher, a square for a plain student, else a disc."""
    r, wide = radius, 1.3 * radius
    if look.startswith("teacher"):
        corners = (
            f"M{x - wide:.1f} {y:.1f} L{x:.1f} {y - wide:.1f} {x + wide:.1f} {y:.1f} {x:.1f} {y + wide:.1f} z"
        )
        return f'<path class="mark {look}" d="{corners}"/>'
    if look.startswith("plain"):
        return f'<rect class="mark {look}" x="{x - r:.1f}" y="{y - r:.1f}" width="{2 * r:.1f}" height="{2 * r:.1f}"/>'
    return f'<circle class="mark {look}" cx="{x:.1f}" cy="{y:.1f}" r="{r:.1f}"/>'


def letters(x: float, y: float, text: str, look: Look = "", anchor: str = "start", turned: int = 0) -> str:
    """A text; `turned` by so many degrees about where it begins."""
    turn = f' transform="rotate({turned} {x:.1f} {y:.1f})"' if turned else ""
    return f'<text class="{look}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{turn}>{plain(text)}</text>'


def across(axis: Axis, top: float, bottom: float, name: str) -> list[str]:
    """The lines and numbers of an axis that runs from left to right, and what it shows."""
    parts = []
    for tick in axis.ticks:
        x = axis.at(tick)
        parts += [
            line(x, top, x, bottom, "rule"),
            letters(x, bottom + 16, axis.shown(tick), "tick", "middle"),
        ]
    return [*parts, letters((axis.start + axis.end) / 2, bottom + 34, name, "soft", "middle")]


def upright(axis: Axis, left: float, right: float, name: str) -> list[str]:
    """The lines and numbers of an axis that runs from below upwards, and what it shows above it."""
    parts = [letters(left - 40, axis.end - 14, name, "soft")]
    for tick in axis.ticks:
        y = axis.at(tick)
        parts += [line(left, y, right, y, "rule"), letters(left - 6, y + 4, axis.shown(tick), "tick", "end")]
    return parts
