"""Numbers against numbers over the test rows, as drawings in HTML."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

from app.correlation import pearson, spearman
from app.views.scale import Scale

_SIDE = 200  # of a plot's square, in the drawing's own units
_LEFT, _TOP, _RIGHT, _BELOW = 40, 10, 12, 36


@dataclass(frozen=True, slots=True)
class Cloud:
    """Two numbers of each row, of whom they are, and which rows stand out."""

    across: str
    upward: str
    x: Sequence[float]
    y: Sequence[float]
    across_scale: Scale
    upward_scale: Scale
    far: Sequence[bool] = field(default=())  # the rows on which the two differ
    band: float | None = None  # so far from the diagonal they agree

    @property
    def correlations(self) -> str:
        """Both, for people."""
        found = (("Pearson", pearson(self.x, self.y)), ("Spearman", spearman(self.x, self.y)))
        return ", ".join(f"{name} {value:.3f}" for name, value in found if value is not None)


def scatters(title: str, clouds: Sequence[Cloud], note: str) -> str:
    """A plot each, side by side, with both correlations below."""
    drawn = "".join(map(_figure, clouds))
    return (
        f'<div class="plot"><h2>{escape(title)}</h2><p class="note">{escape(note)}</p>'
        f'<div class="clouds">{drawn}</div></div>'
    )


def _figure(one: Cloud) -> str:
    told = f"{one.across} against {one.upward.lower()}"
    found = one.correlations
    return (
        f"<figure>{_plot(one, told)}<figcaption>{escape(told)}"
        f"{f'<br><b>{found}</b>' if found else ''}</figcaption></figure>"
    )


def _plot(one: Cloud, told: str) -> str:
    def x(number: float) -> float:
        return _LEFT + _SIDE * one.across_scale.share(number)

    def y(number: float) -> float:
        return _TOP + _SIDE * (1 - one.upward_scale.share(number))

    rules = "".join(
        f'<line class="grid" x1="{_LEFT}" x2="{_LEFT + _SIDE}" y1="{y(at):.1f}" y2="{y(at):.1f}"/>'
        f'<text x="{_LEFT - 6}" y="{y(at) + 4:.1f}" text-anchor="end">{at:g}</text>'
        for at in one.upward_scale.marks
    )
    marks = "".join(
        f'<text x="{x(at):.1f}" y="{_TOP + _SIDE + 16}" text-anchor="middle">{at:g}</text>'
        for at in one.across_scale.marks
    )
    far = list(one.far) or [False] * len(one.x)
    # In whole units, and each place once: thousands of rows are a few kilobytes.
    places = {(round(x(a)), round(y(b)), apart) for a, b, apart in zip(one.x, one.y, far, strict=True)}
    dots = "".join(
        f'<path class="{look}" d="{"".join(f"M{a} {b}h0" for a, b, apart in sorted(places) if apart is which)}"/>'
        for look, which in (("near", False), ("far", True))
    )
    return (
        f'<svg viewBox="0 0 {_LEFT + _SIDE + _RIGHT} {_TOP + _SIDE + _BELOW}" role="img" '
        f'aria-label="{escape(told)}: {escape(one.correlations)}">{rules}{marks}{_diagonal(one, x, y)}{dots}'
        f'<text x="{_LEFT + _SIDE / 2}" y="{_TOP + _SIDE + _BELOW - 4}" text-anchor="middle">'
        f"{escape(one.across.lower())}</text>"
        f'<text x="12" y="{_TOP + _SIDE / 2}" text-anchor="middle" '
        f'transform="rotate(-90 12 {_TOP + _SIDE / 2})">{escape(one.upward.lower())}</text></svg>'
    )


def _diagonal(one: Cloud, x: object, y: object) -> str:
    """Where both numbers are the same, and how far from there they agree; only of numbers on one scale."""
    if one.across_scale != one.upward_scale or not callable(x) or not callable(y):
        return ""
    low, high = one.across_scale.low, one.across_scale.high
    lines = [("ideal", 0.0)] + [("limit", side * one.band) for side in (1, -1) if one.band is not None]
    return "".join(
        f'<line class="{look}" x1="{x(max(low, low - off)):.1f}" y1="{y(max(low, low + off)):.1f}" '
        f'x2="{x(min(high, high - off)):.1f}" y2="{y(min(high, high + off)):.1f}"/>'
        for look, off in lines
    )
