"""The recipe's thresholds against what was measured, by one rule for all of them.

A gate passes when the whole 95 % interval clears its threshold, fails when the whole interval misses it, and
is inconclusive otherwise. A point estimate proves nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Literal

from compress.judge.bootstrap import Estimate
from compress.judge.report import MIN_CLEAN_ROUNDS, Fidelity, Gate, Invariance, Speedup, Status

_ON_THRESHOLD = 1e-9  # closer than this, no number of rows would tell the two apart
_NO_TEACHER = "the teacher's answers are not known"


@dataclass(frozen=True, slots=True)
class Thresholds:
    """What the recipe asks for; None where it does not ask."""

    min_retention: float | None = None  # shipped score / teacher score
    min_agreement: float | None = None  # share of rows, 0 to 1
    min_speedup: float | None = None  # teacher's p50 / shipped p50
    max_size_mb: float | None = None  # 10^6 bytes
    max_invariance_flips: int | None = None  # rows


def judge(
    thresholds: Thresholds,
    fidelity: Fidelity | None,
    speedup: Speedup | None,
    size_mb: float,
    invariance: Invariance | None = None,
) -> list[Gate]:
    """One gate per threshold that is set, in the order of the thresholds; what was not measured is inconclusive."""
    gates: list[Gate] = []
    if thresholds.min_retention is not None:
        gates.append(_retention(thresholds.min_retention, fidelity))
    if thresholds.min_agreement is not None:
        gates.append(_agreement(thresholds.min_agreement, fidelity))
    if thresholds.min_speedup is not None:
        gates.append(_speed(thresholds.min_speedup, speedup))
    if thresholds.max_size_mb is not None:
        gates.append(_size(thresholds.max_size_mb, size_mb))
    if thresholds.max_invariance_flips is not None:
        gates.append(_flips(thresholds.max_invariance_flips, invariance))
    return gates


def verdict(gates: Sequence[Gate]) -> Status:
    """`fail` if any gate fails, else `inconclusive` if any is, else `pass` (also without gates)."""
    statuses = {gate.status for gate in gates}
    return "fail" if "fail" in statuses else "inconclusive" if "inconclusive" in statuses else "pass"


def needed(measured: Estimate, threshold: float, count: int) -> int | None:
    """About how many rows would settle it, where `count` rows gave this value and interval.

    The half width falls with the square root of the rows, so the half towards the threshold must
    shrink to the distance between value and threshold: count * (half width / distance)^2. None
    where the value sits on the threshold: no number of rows takes the interval off it.
    """
    distance = abs(measured.value - threshold)
    if distance < _ON_THRESHOLD:
        return None
    low, high = measured.ci
    half_width = measured.value - low if measured.value > threshold else high - measured.value
    return max(ceil(count * (half_width / distance) ** 2), count + 1)


def _retention(threshold: float, fidelity: Fidelity | None) -> Gate:
    if fidelity is None:
        return _unknown("min_retention", threshold, _NO_TEACHER)
    if fidelity.retention is None or fidelity.retention_ci is None:
        # Where a report does not say: calibration is measured wherever there are labels.
        has_labels = fidelity.ece_teacher is not None if fidelity.has_labels is None else fidelity.has_labels
        why = "the rows have no labels" if not has_labels else "the teacher's score is about 0"
        return _unknown("min_retention", threshold, f"{why}, so there is no ratio of scores")
    retention = Estimate(fidelity.retention, fidelity.retention_ci)
    return _at_least("min_retention", threshold, retention, fidelity.rows)


def _agreement(threshold: float, fidelity: Fidelity | None) -> Gate:
    if fidelity is None:
        return _unknown("min_agreement", threshold, _NO_TEACHER)
    agreement = Estimate(fidelity.agreement, fidelity.agreement_ci)
    return _at_least("min_agreement", threshold, agreement, fidelity.rows)


def _speed(threshold: float, speedup: Speedup | None) -> Gate:
    name = "min_speedup"
    if speedup is None:
        return _unknown(name, threshold, "the speed was not measured")
    measured = Estimate(speedup.p50, speedup.ci)
    if speedup.noisy:
        message = (
            f"{name} inconclusive: {_shown(measured, threshold)} was measured while other processes "
            f"were busy (clean rounds: {speedup.rounds}, needed: {MIN_CLEAN_ROUNDS}); "
            "try again on a quiet machine"
        )
        return _gate(name, threshold, measured, "inconclusive", message)
    return _at_least(name, threshold, measured, speedup.rounds, "rounds")


def _size(threshold: float, size_mb: float) -> Gate:
    shown = f"{size_mb:.{_digits([size_mb], threshold, least=1)}f} MB"
    message = f"max_size_mb met: {shown} is at most {threshold:g} MB"
    if size_mb > threshold:
        message = f"max_size_mb missed: {shown} is above {threshold:g} MB, by {size_mb - threshold:.3g} MB"
    return Gate(
        name="max_size_mb",
        threshold=threshold,
        value=size_mb,
        ci=None,
        status="pass" if size_mb <= threshold else "fail",
        rows_to_settle=None,
        message=message,
    )


def _flips(threshold: int, invariance: Invariance | None) -> Gate:
    """No interval: the same text asked twice is no sample, and one answer that changes is a fault found."""
    name = "max_invariance_flips"
    if invariance is None:
        return _unknown(
            name, threshold, "it was not measured whether answers depend on the batch or the threads"
        )
    met = invariance.flips <= threshold
    worst = max((case for case in invariance.cases if case.counted), key=lambda case: case.flips)
    message = f"{name} {'met' if met else 'missed'}: {invariance.flips} of {invariance.rows} answers change"
    message += f" ({worst.flips} of them {worst.name})" if invariance.flips else ""
    return Gate(
        name=name,
        threshold=threshold,
        value=invariance.flips,
        ci=None,
        status="pass" if met else "fail",
        rows_to_settle=None,
        message=f"{message}, {'at most' if met else 'more than'} {threshold}",
    )


def _at_least(
    name: str, threshold: float, measured: Estimate, count: int, unit: Literal["rows", "rounds"] = "rows"
) -> Gate:
    """The rule; so many rows or rounds gave the interval."""
    shown = _shown(measured, threshold)
    low, high = measured.ci
    if low >= threshold:
        return _gate(name, threshold, measured, "pass", f"{name} met: {shown} is at least {threshold:g}")
    if high < threshold:
        gap = f"{threshold - measured.value:.3g}"
        message = f"{name} missed: {shown} is below {threshold:g}, by {gap}"
        return _gate(name, threshold, measured, "fail", message)
    settling = needed(measured, threshold, count)
    advice = (
        f"the value sits on the threshold, so no number of {unit} would settle it ({count:,} now)"
        if settling is None
        else f"about {_rounded(settling):,} {unit} would settle it ({count:,} now)"
    )
    message = f"{name} inconclusive: {shown} covers {threshold:g}; {advice}"
    rows = settling if unit == "rows" else None
    return _gate(name, threshold, measured, "inconclusive", message, rows_to_settle=rows)


def _gate(
    name: str,
    threshold: float,
    measured: Estimate,
    status: Status,
    message: str,
    *,
    rows_to_settle: int | None = None,
) -> Gate:
    return Gate(
        name=name,
        threshold=threshold,
        value=measured.value,
        ci=measured.ci,
        status=status,
        rows_to_settle=rows_to_settle,
        message=message,
    )


def _unknown(name: str, threshold: float, why: str) -> Gate:
    """Nothing to hold against the threshold: inconclusive, with a value of 0 and no interval."""
    return Gate(
        name=name,
        threshold=threshold,
        value=0.0,
        ci=None,
        status="inconclusive",
        rows_to_settle=None,
        message=f"{name} inconclusive: {why}",
    )


def _shown(measured: Estimate, threshold: float) -> str:
    """Value and interval, as in 0.972 [0.961, 0.983]."""
    values = [measured.value, *measured.ci]
    digits = _digits(values, threshold, least=3 if abs(measured.value) < 5 else 2)
    value, low, high = (f"{number:.{digits}f}" for number in values)
    return f"{value} [{low}, {high}]"


def _digits(values: Sequence[float], threshold: float, least: int) -> int:
    """Decimals at which no value looks like the threshold without being it: 0.9699 is not 0.97."""
    for digits in range(least, 9):
        if all(value == threshold or round(value, digits) != threshold for value in values):
            return digits
    return 9


def _rounded(count: int) -> int:
    """Two significant digits, upwards, as there is no more to it than that."""
    if count < 1000:
        return count
    step: int = 10 ** (len(str(count)) - 2)
    return -(-count // step) * step
