"""A comparison as one SVG drawing: every score with its interval, and every gain over the plain student.

Two panels side by side, a line per model. Overlapping score intervals on the left prove nothing, since
all models answer the same rows; whether a method gains is to be read on the right, where the
interval is the one of the difference.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

from compress.compare.document import Comparison, Kind, MethodRow
from compress.compare.wording import gain_span, metric_name
from compress.page.axis import decimals, room, ticks

_LINE = 36  # height of a model's line, all sizes in pixels
_GAP = 16  # between the teacher, the students and the floor
_HEAD, _FOOT, _MARGIN = 58, 62, 20
_PANEL, _SPACE = 230, 18
_LETTER = 7.7  # width of a letter at 14 px in most sans-serif fonts, rather too much
_NAME_LETTERS = 22  # a longer name goes on in a second line, from the next +
_FIGURES = 152  # width of the figures beside a panel

_STYLE = """
.compare { --paper: #ffffff; --ink: #0f172a; --soft: #475569; --rule: #e2e8f0; --student: #0f766e;
  --gain: #0b7a4b; --loss: #b3261e; --other: #64748b;
  font: 14px ui-sans-serif, system-ui, -apple-system, "Segoe UI", sans-serif; }
@media (prefers-color-scheme: dark) { .compare { --paper: #111c30; --ink: #f1f5f9; --soft: #a9b6c8;
  --rule: #2b3a52; --student: #2dd4bf; --gain: #34d399; --loss: #f87171; --other: #94a3b8; } }
.compare .paper { fill: var(--paper); }
.compare text { fill: var(--ink); }
.compare .soft { fill: var(--soft); font-size: 12px; }
.compare .best { font-weight: 700; }
.compare .figure { font-variant-numeric: tabular-nums; font-size: 12.5px; }
.compare .rule { stroke: var(--rule); }
.compare .plain-line { stroke: var(--ink); stroke-dasharray: 4 4; }
.compare .interval { stroke-width: 2.5; stroke-linecap: round; }
.compare .seed { stroke-width: 1.5; opacity: 0.75; }
.compare .mark { stroke-width: 2; }
.compare .teacher, .compare .floor { stroke: var(--other); fill: var(--other); }
.compare .plain { stroke: var(--ink); fill: var(--ink); }
.compare .distilled { stroke: var(--student); fill: var(--student); }
.compare .gain { stroke: var(--gain); fill: var(--gain); }
.compare .loss { stroke: var(--loss); fill: var(--loss); }
.compare .chance { stroke: var(--other); fill: var(--paper); }
"""


@dataclass(frozen=True)
class _Panel:
    """An axis: values between `low` and `high` across `_PANEL` pixels from `left`."""

    left: float
    low: float
    high: float
    ticks: Sequence[float]
    shown: Callable[[float], str]

    def x(self, value: float) -> float:
        """Where a value stands."""
        return self.left + _PANEL * (value - self.low) / (self.high - self.low)


def figure(comparison: Comparison) -> str:
    """The drawing as an SVG document, in light or dark as its reader prefers. Fetches nothing."""
    rows = _in_order(comparison.methods)
    places = _places(rows)
    left = _MARGIN + _LETTER * max(len(part) for row in rows for part in _name(row, comparison)) + _SPACE
    scores = _score_panel(rows, left)
    gains = _gain_panel(rows, left + _PANEL + _SPACE + _FIGURES)
    width = left + (_PANEL + _SPACE + _FIGURES) * (2 if gains else 1) - _SPACE + _MARGIN
    bottom = places[-1] + _LINE / 2
    height = bottom + _FOOT
    plain = next((row for row in rows if row.kind == "plain"), None)
    parts = [_frame(scores, metric_name(comparison.metric), bottom)]
    if plain is not None:
        parts.append(_plain_line(scores.x(plain.score), "plain student", bottom))
    if gains is not None:
        parts += [_frame(gains, "points over the plain student", bottom)]
        parts += [_plain_line(gains.x(0), "no gain", bottom)]
    parts += [_rules(rows, places, width)]
    for row, y in zip(rows, places, strict=True):
        parts += [_label(row, y, comparison), _score(row, y, scores)]
        if gains is not None:
            parts.append(_gain(row, y, gains))
    parts.append(_key(rows, comparison, height))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="compare" role="img" '
        f'aria-labelledby="compare-title compare-desc" viewBox="0 0 {width:.0f} {height:.0f}" '
        f'width="{width:.0f}" height="{height:.0f}">'
        f'<title id="compare-title">{escape(comparison.sentence)}</title>'
        f'<desc id="compare-desc">{escape(_description(rows, comparison))}</desc>'
        f'<style>{_STYLE}</style><rect class="paper" width="100%" height="100%" rx="12"/>'
        f"{''.join(parts)}</svg>\n"
    )


def _in_order(rows: Sequence[MethodRow]) -> list[MethodRow]:
    order: tuple[Kind, ...] = ("teacher", "plain", "distilled", "floor")
    return sorted(rows, key=lambda row: order.index(row.kind))


def _block(row: MethodRow) -> str:
    return "student" if row.kind in {"plain", "distilled"} else row.kind


def _places(rows: Sequence[MethodRow]) -> list[float]:
    """The middle of every model's line."""
    places = [float(_HEAD + _LINE / 2)]
    for above, row in pairwise(rows):
        places.append(places[-1] + _LINE + (_GAP if _block(above) != _block(row) else 0))
    return places


def _score_panel(rows: Sequence[MethodRow], left: float) -> _Panel:
    values = [
        value for row in rows for value in (row.score, *row.score_ci, *(one.score for one in row.seeds))
    ]
    marks = ticks(min(values), max(values))
    digits = decimals(marks)
    return _Panel(left, *room(values, marks), marks, lambda value: f"{value:.{digits}f}")


def _gain_panel(rows: Sequence[MethodRow], left: float) -> _Panel | None:
    """In points; None where no method stands beside a plain student."""
    gains = [row.gain for row in rows if row.gain is not None]
    if not gains:
        return None
    values = [0.0, *(100 * bound for gain in gains for bound in gain.interval)]
    marks = ticks(min(values), max(values))
    digits = decimals(marks)
    return _Panel(left, *room(values, marks), marks, lambda value: f"{value:+.{digits}f}" if value else "0")


def _frame(panel: _Panel, name: str, bottom: float) -> str:
    """The panel's name above, a thin line and a number per tick."""
    parts = [_text(panel.left, 24, name, "best")]
    for tick in panel.ticks:
        x = panel.x(tick)
        parts += [_line(x, _HEAD - 6, x, bottom, "rule")]
        parts += [_text(x, bottom + 18, panel.shown(tick), "soft", anchor="middle")]
    return "".join(parts)


def _plain_line(x: float, word: str, bottom: float) -> str:
    return _line(x, _HEAD - 6, x, bottom, "plain-line") + _text(x, _HEAD - 12, word, "soft", anchor="middle")


def _rules(rows: Sequence[MethodRow], places: Sequence[float], width: float) -> str:
    """Lines that set the teacher and the floor apart from the students."""
    found = [
        (y + below) / 2
        for (row, y), (next_row, below) in pairwise(zip(rows, places, strict=True))
        if _block(row) != _block(next_row)
    ]
    return "".join(_line(_MARGIN, y, width - _MARGIN, y, "rule") for y in found)


def _name(row: MethodRow, comparison: Comparison) -> list[str]:
    """In lines of at most 22 letters, broken after a +; the best is marked."""
    name = f"{row.name} *" if row.name == comparison.best else row.name
    lines = [""]
    for part in name.replace("+", "+\n").split("\n"):
        if lines[-1] and len(lines[-1]) + len(part) > _NAME_LETTERS:
            lines.append("")
        lines[-1] += part
    return lines


def _label(row: MethodRow, y: float, comparison: Comparison) -> str:
    lines = _name(row, comparison)
    look = "best" if row.name == comparison.best else ""
    first = y + 5 - 8 * (len(lines) - 1)
    return "".join(_text(_MARGIN, first + 16 * place, line, look) for place, line in enumerate(lines))


def _score(row: MethodRow, y: float, panel: _Panel) -> str:
    low, high = row.score_ci
    x = panel.x(row.score)
    marks = {
        "teacher": f'<path class="mark teacher" d="M{x - 7:.1f} {y:.1f} l7 -7 l7 7 l-7 7 z"/>',
        "floor": f'<rect class="mark floor" x="{x - 5:.1f}" y="{y - 5:.1f}" width="10" height="10"/>',
    }
    dot = f'<circle class="mark {row.kind}" cx="{x:.1f}" cy="{y:.1f}" r="5.5"/>'
    seeds = [panel.x(one.score) for one in row.seeds] if len(row.seeds) > 1 else []
    return (
        _line(panel.x(low), y, panel.x(high), y, f"interval {row.kind}")
        + "".join(_line(seed, y - 9, seed, y + 9, f"seed {row.kind}") for seed in seeds)
        + marks.get(row.kind, dot)
        + _text(panel.left + _PANEL + _SPACE / 2, y + 4, f"{row.score:.3f} [{low:.3f}, {high:.3f}]", "figure")
    )


def _gain(row: MethodRow, y: float, panel: _Panel) -> str:
    if row.gain is None:
        return ""
    low, high = (panel.x(100 * bound) for bound in row.gain.interval)
    look = {True: "gain", False: "loss", None: "chance"}[row.gain.beyond_chance]
    dot = f'<circle class="mark {look}" cx="{panel.x(100 * row.gain.value):.1f}" cy="{y:.1f}" r="5.5"/>'
    figures = gain_span(row.gain.value, row.gain.interval)
    return (
        _line(low, y, high, y, f"interval {look}")
        + dot
        + _text(panel.left + _PANEL + _SPACE / 2, y + 4, figures, "figure")
    )


def _key(rows: Sequence[MethodRow], comparison: Comparison, height: float) -> str:
    facts = ["lines: 95 % intervals"]
    if any(len(row.seeds) > 1 for row in rows):
        facts.append("short strokes: seeds")
    if any(row.gain for row in rows):
        facts.append("filled on the right: beyond chance; hollow: it may be chance")
    if comparison.best:
        facts.append("* best by selection score")
    return _text(_MARGIN, height - 14, "; ".join(facts), "soft")


def _description(rows: Sequence[MethodRow], comparison: Comparison) -> str:
    """The figures in words, for those who do not see the drawing."""
    words = []
    for row in rows:
        low, high = row.score_ci
        said = f"{row.name}: {metric_name(comparison.metric)} {row.score:.3f}, from {low:.3f} to {high:.3f}"
        if row.gain is not None:
            said += f", points over the plain student {gain_span(row.gain.value, row.gain.interval)}"
        words.append(said)
    return ". ".join(words) + "."


def _line(x1: float, y1: float, x2: float, y2: float, look: str) -> str:
    return f'<line class="{look}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _text(x: float, y: float, text: str, look: str, anchor: str = "start") -> str:
    return f'<text class="{look}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
