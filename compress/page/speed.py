"""How good, how fast, how large: all models in one drawing; and how their times spread in another."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import sqrt

from compress.compare.wording import capital
from compress.judge.report import Latency, ModelRow, Report
from compress.judge.wording import RUNTIME_NAMES, metric_name, shipped_row
from compress.page.axis import linear, logarithmic
from compress.page.drawing import (
    LETTER,
    MARGIN,
    WIDTH,
    Drawing,
    across,
    box,
    letters,
    line,
    mark,
    upright,
)

_LEFT, _TOP, _FOOT = 52.0, 34.0, 44.0
_BOTTOM = 300.0  # of the axes
_LARGEST = 24.0  # radius of the largest model
_LINES = 232.0  # of the models among the times, together


@dataclass(frozen=True)
class Timed:
    """A model with its times, at the number of threads of which the speed-up speaks."""

    row: ModelRow
    latency: Latency
    ships: bool

    @property
    def name(self) -> str:
        """As in `student ONNX int8`."""
        return f"{self.row.name} {RUNTIME_NAMES[self.row.runtime]} {self.row.precision}"

    @property
    def look(self) -> str:
        """The class of its colour, and whether it is what ships."""
        return f"{look(self.row)}{' ships' if self.ships else ''}"


def look(row: ModelRow) -> str:
    """The class of a model's colour and mark."""
    return (
        "plain"
        if row.name.startswith("plain")
        else "teacher"
        if row.name.startswith("teacher")
        else "student"
    )


def timed(report: Report) -> list[Timed]:
    """The models whose time was measured."""
    key = "batch_1_one_thread" if report.speedup and report.speedup.threads == 1 else "batch_1"
    shipped = shipped_row(report)
    found = []
    for row in report.models:
        latency = row.latency.get("cpu", {}).get(key)
        if latency is not None and latency.p50_ms > 0:
            found.append(Timed(row, latency, row is shipped))
    return found


def trade(report: Report) -> Drawing | None:
    """The score against the time, each model as large as its file; None where fewer than two were timed."""
    models = timed(report)
    if len(models) < 2:
        return None
    across_ = logarithmic([one.latency.p50_ms for one in models], _LEFT, WIDTH - MARGIN)
    scores = [value for one in models for value in (one.row.score, *one.row.score_ci)]
    upwards = linear(_with_room(scores), _BOTTOM, _TOP)
    parts = [
        *upright(upwards, _LEFT, WIDTH - MARGIN, metric_name(report)),
        *across(
            across_,
            _TOP,
            _BOTTOM,
            f"ms for one text (p50), {_threads(models)}, log scale",
        ),
    ]
    largest = max(one.row.size_mb for one in models)
    places = {one.name: (across_.at(one.latency.p50_ms), upwards.at(one.row.score)) for one in models}
    taken: list[_Box] = []
    for one in sorted(models, key=lambda model: -model.row.size_mb):  # a small one may lie on a large one
        x, y = places[one.name]
        low, high = (upwards.at(bound) for bound in one.row.score_ci)
        radius = max(4.0, _LARGEST * sqrt(one.row.size_mb / largest))
        taken += [_Box(x - 2, high, x + 2, low), _Box(x - radius, y - radius, x + radius, y + radius)]
        parts.append(line(x, low, x, high, f"interval {one.look}"))
        parts.append(f'<circle class="bubble {one.look}" cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}"/>')
        parts.append(f'<circle class="core {one.look}" cx="{x:.1f}" cy="{y:.1f}" r="2.5"/>')
    # The lowest first: its name goes below it, and leaves the room above to the others.
    for one in sorted(models, key=lambda model: model.row.score):
        x, y = places[one.name]
        size = f"{one.row.size_mb:.1f} MB"
        ends = [upwards.at(bound) for bound in one.row.score_ci]
        place = _free(max(one.name, size, key=len), x, ends, taken)
        taken.append(place)
        middle = (place.left + place.right) / 2
        if not place.left <= x <= place.right or place.far_from(ends):
            parts.append(line(x, y, min(max(x, place.left), place.right), place.nearest(y), "leader"))
        parts.append(
            letters(middle, place.top + 12, one.name, "name best" if one.ships else "name", "middle")
        )
        parts.append(letters(middle, place.top + 27, size, "soft", "middle"))
    return Drawing(
        "trade",
        f"{capital(metric_name(report))} against time",
        "Better is up and to the left. The area is the size of the file, the upright line the 95 % interval of "
        "the score. Intervals that overlap prove nothing: all models answer the same rows.",
        ". ".join(
            f"{one.name}: {one.row.score:.3f}, {one.latency.p50_ms:.2f} ms, {one.row.size_mb:.1f} MB"
            for one in models
        ),
        _BOTTOM + _FOOT,
        parts,
    )


def spread(report: Report) -> Drawing | None:
    """How the times of each model spread; None where nothing was timed."""
    models = timed(report)
    if not models:
        return None
    whole = all(one.latency.quantiles_ms for one in models)
    left = MARGIN + LETTER * max(len(one.name) for one in models) + 12
    values = [value for one in models for value in _times(one.latency)]
    axis = logarithmic(values, left, WIDTH - MARGIN)
    height = min(max(_LINES / len(models), 38.0), 58.0)
    bottom = _TOP - 12 + height * len(models)
    parts = across(axis, _TOP - 12, bottom, f"ms for one text, {_threads(models)}, log scale")
    for number, one in enumerate(models):
        y = _TOP - 12 + height * (number + 0.5)
        parts.append(letters(MARGIN, y + 4, one.name, "name best" if one.ships else "name"))
        parts += _time_marks(one, axis.at, y)
    how = (
        "The thin line holds 98 of 100 answers, the thick one the middle half"
        if whole
        else "The line goes from the middle of all answers (p50) to the time that 95 of 100 keep (p95)"
    )
    return Drawing(
        "spread",
        "Time for one text",
        f"{how}; the mark is the middle (p50), the stroke p95. From text to answer, tokenizer included, the models "
        "in turns.",
        ". ".join(
            f"{one.name}: p50 {one.latency.p50_ms:.2f} ms, p95 {one.latency.p95_ms:.2f} ms" for one in models
        ),
        bottom + _FOOT,
        parts,
    )


def _times(latency: Latency) -> Sequence[float]:
    return [latency.p50_ms, latency.p95_ms, *latency.quantiles_ms.values()]


def _time_marks(one: Timed, at: Callable[[float], float], y: float) -> Iterator[str]:
    found = one.latency.quantiles_ms
    p50, p95 = at(one.latency.p50_ms), at(one.latency.p95_ms)
    if {"0.01", "0.25", "0.75", "0.99"} <= set(found):
        yield line(at(found["0.01"]), y, at(found["0.99"]), y, f"thin {one.look}")
        yield box(at(found["0.25"]), y - 6, at(found["0.75"]) - at(found["0.25"]), 12, f"half {one.look}")
    else:
        yield line(p50, y, p95, y, f"interval {one.look}")
    yield line(p95, y - 7, p95, y + 7, f"interval {one.look}")
    yield mark(p50, y, one.look, 4.5)
    yield letters(p50, y - 10, f"{one.latency.p50_ms:.2f}", "figure", "middle")


def _with_room(scores: Sequence[float]) -> list[float]:
    """The scores, and as much beyond them as the names take."""
    more = 0.3 * (max(scores) - min(scores))
    return [*scores, min(scores) - more, max(scores) + more]


def _threads(models: Sequence[Timed]) -> str:
    count = models[0].latency.threads
    return f"{count} thread{'s' * (count > 1)}"


@dataclass(frozen=True)
class _Box:
    """Where something lies, in pixels."""

    left: float
    top: float
    right: float
    bottom: float

    def touches(self, other: "_Box") -> bool:
        return (
            self.left < other.right
            and other.left < self.right
            and self.top < other.bottom
            and other.top < self.bottom
        )

    def far_from(self, ends: Sequence[float]) -> bool:
        """Whether an interval with these ends is so far above or below that one may not see whose name it is."""
        return min(abs(self.top - max(ends)), abs(min(ends) - self.bottom)) > 12

    def nearest(self, y: float) -> float:
        """The height within it that is nearest to `y`."""
        return min(max(y, self.top), self.bottom)


def _free(said: str, x: float, ends: Sequence[float], taken: Sequence[_Box]) -> _Box:
    """A place for two lines near an interval with these ends, as near as they lie on nothing else."""
    width, height = LETTER * len(said), 32.0
    low, high = max(ends), min(ends)
    tops = [low + 6 + 8 * step for step in range(16)] + [high - height - 6 - 8 * step for step in range(16)]
    tops += [high + (low - high) * part / 8 - height / 2 for part in range(9)]  # beside it
    lefts = [x - width / 2, x + 10, x - width - 10, *(_LEFT + 8.0 * step for step in range(50))]
    boxes = [
        _Box(left, top, left + width, top + height)
        for left in (min(max(left, _LEFT + 2), WIDTH - MARGIN - width) for left in lefts)
        for top in tops
        if top >= _TOP - 8 and top + height <= _BOTTOM
    ]

    def distance(place: _Box) -> float:
        upright_ = max(place.top - low, high - place.bottom, 0)
        return upright_ + 0.7 * abs((place.left + place.right) / 2 - x)

    boxes.sort(key=distance)
    return next((one for one in boxes if not any(one.touches(other) for other in taken)), boxes[0])
