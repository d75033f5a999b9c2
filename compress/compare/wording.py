"""The words of a comparison: its sentence for people and how its figures are written."""

from collections.abc import Sequence
from dataclasses import dataclass

from compress.judge.wording import METRIC_NAMES

Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Contest:
    """A method against the plain student."""

    name: str
    gain: float
    interval: Interval
    seeds: int
    beyond_chance: bool | None  # True: it gains; False: it loses; None: it may be chance


def sentence(
    helped: bool | None, winner: str | None, contests: Sequence[Contest], metric: str, rows: int
) -> str:
    """What the comparison says; `winner` is the method with the best selection score.

    As in "distillation helped: minilm gains 1.8 points over the plain student [0.6, 3.0] on the same 872 rows".
    """
    if not contests:
        return "whether distillation helped is not known: no method stands beside a plain student of its seed"
    found = next((contest for contest in contests if contest.name == winner), None)
    if found is None:
        return "whether distillation helped is not known: a method has no selection score to be chosen by"
    chosen = f"{found.name}, best of the methods by selection score," if len(contests) > 1 else found.name
    change = _change(found, metric)
    where = f"on the same {rows:,} rows" + (f", {found.seeds} seeds" if found.seeds > 1 else "")
    if helped:
        return f"distillation helped: {found.name} {change} {where}"
    if helped is False:
        return f"distillation did not help: {chosen} {change} {where}"
    others = [contest.name for contest in contests if contest.beyond_chance and contest is not found]
    if not others:
        return f"no method beat the plain student beyond chance: {chosen} {change} {where}"
    rest = f"{' and '.join(others)} gained there, but {'was' if len(others) == 1 else 'were'} not chosen beforehand"
    return f"not settled: {chosen} {change} {where}; {rest}"


def points(value: float, *, sign: bool = False, digits: int = 1) -> str:
    """A share or a difference of scores in points, as in +1.8."""
    shown = f"{100 * value:{'+' if sign else ''}.{digits}f}"
    return shown if float(shown) else f"{0:.{digits}f}"  # never -0.0


def gain_span(value: float, interval: Interval) -> str:
    """A gain with its interval in points, as in +1.8 [+0.6, +3.0]."""
    digits = _digits(interval)
    low, high = (points(bound, sign=True, digits=digits) for bound in interval)
    return f"{points(value, sign=True, digits=digits)} [{low}, {high}]"


def p_value(value: float) -> str:
    """As many digits as one can trust: 0.34, 0.012, < 0.001."""
    if value < 0.001:
        return "<0.001"
    return f"{value:.3f}" if value < 0.1 else f"{value:.2f}"


def duration(seconds: float | None) -> str:
    """As in 45 s, 12 min, 3.4 h; a dash where it is not known."""
    if seconds is None:
        return "-"
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5970 else f"{seconds / 3600:.1f} h"


def metric_name(metric: str | None) -> str:
    """What the scores are, in words: without labels they are the agreement with the teacher."""
    return METRIC_NAMES.get(metric, metric) if metric else "agreement"


def capital(text: str) -> str:
    """With a capital at the start, the rest as it is."""
    return text[:1].upper() + text[1:]


def _change(contest: Contest, metric: str) -> str:
    digits = _digits(contest.interval)
    gain, low, high = (points(number, digits=digits) for number in (abs(contest.gain), *contest.interval))
    unit = "points" if metric == "accuracy" else f"points of {metric_name(metric)}"
    verb, word = ("loses", "against") if contest.gain < 0 else ("gains", "over")
    return f"{verb} {gain} {unit} {word} the plain student [{low}, {high}]"


def _digits(interval: Interval) -> int:
    """Decimals at which no bound looks like 0 without being it."""
    for digits in (1, 2, 3):
        if all(bound == 0 or round(100 * bound, digits) != 0 for bound in interval):
            return digits
    return 4
