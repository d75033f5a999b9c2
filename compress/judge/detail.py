"""Where a model and its teacher part: by class, by length, by confidence; and how far confidence can be relied on."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from compress.judge.bootstrap import share_interval
from compress.judge.metrics import Floats, Ids
from compress.judge.report import Flip, ReliabilityBin, Slice

BINS = 15
_FLOOR = 1e-12  # the smallest probability that a logarithm is taken of
_PARTS = 4


def flips_by_class(teacher: Ids, shipped: Ids, labels: Sequence[str]) -> list[Flip]:
    """The rows on which two answers differ, by the pair of labels, most frequent first; both arrays are (rows,)."""
    apart = np.flatnonzero(teacher != shipped)
    pairs, counts = np.unique(np.stack([teacher[apart], shipped[apart]]), axis=1, return_counts=True)
    flips = [
        Flip(teacher=labels[int(before)], shipped=labels[int(after)], rows=int(count))
        for before, after, count in zip(*pairs, counts, strict=True)
    ]
    return sorted(flips, key=lambda flip: -flip.rows)


def alike_by_class(teacher: Ids, shipped: Ids, labels: Sequence[str]) -> dict[str, int]:
    """How many rows both answer with each label, in the order of the labels; labels without such rows are left out.

    With `flips_by_class` every row is told. Both arrays are (rows,).
    """
    counts = np.bincount(teacher[teacher == shipped], minlength=len(labels))
    return {label: int(count) for label, count in zip(labels, counts, strict=True) if count}


def by_quarter(values: NDArray[np.number], same: NDArray[np.bool_]) -> list[Slice]:
    """Agreement in the four quarters of the rows by rising value; `values` and `same` have shape (rows,).

    Equal values stay together, so quarters may be unequal, and fewer than four where most values are equal.
    """
    edges = np.quantile(values, np.arange(1, _PARTS) / _PARTS)
    part = np.searchsorted(edges, values, side="left")
    slices = []
    for number in np.unique(part):
        inside = part == number
        agreement = share_interval(int(same[inside].sum()), int(inside.sum()))
        slices.append(
            Slice(
                low=float(values[inside].min()),
                high=float(values[inside].max()),
                rows=int(inside.sum()),
                agreement=agreement.value,
                agreement_ci=agreement.ci,
            )
        )
    return slices


def reliability(probabilities: Floats, gold: Ids, bins: int = BINS) -> list[ReliabilityBin]:
    """Mean confidence beside accuracy in bins of equal width over the confidence of the answer; empty bins left out.

    Each bin is open below and closed above (Guo et al. 2017, "On Calibration of Modern Neural Networks",
    section 2). `probabilities` has shape (rows, labels), `gold` (rows,).
    """
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == gold
    place = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    table = []
    for number in np.unique(place):
        inside = place == number
        table.append(
            ReliabilityBin(
                low=float(number / bins),
                high=float((number + 1) / bins),
                rows=int(inside.sum()),
                confidence=float(confidence[inside].mean()),
                accuracy=float(right[inside].mean()),
            )
        )
    return table


def mean_kl(teacher: Floats, student: Floats) -> float:
    """The mean over rows of KL(teacher || student) in nats; both are probabilities, (rows, labels).

    Probabilities below 1e-12 count as 1e-12 in the logarithm, so a student that is certain and wrong costs
    at most 27.6 nats and not infinity.
    """
    ratio = np.log(np.maximum(teacher, _FLOOR)) - np.log(np.maximum(student, _FLOOR))
    return max(0.0, float((teacher * ratio).sum(axis=1).mean()))


def calibration_error(probabilities: Floats, gold: Ids, bins: int = BINS) -> float:
    """Expected calibration error, 0 to 1: how far confidence is from accuracy, on average over rows.

    Over the bins of `reliability` (Guo et al. 2017, equation 3). `probabilities` has shape (rows, labels),
    `gold` (rows,).
    """
    return expected_calibration_error(reliability(probabilities, gold, bins)) or 0.0


def expected_calibration_error(table: Sequence[ReliabilityBin]) -> float | None:
    """Of the bins of `reliability`; None without any."""
    rows = sum(part.rows for part in table)
    return sum(part.rows * abs(part.accuracy - part.confidence) for part in table) / rows if rows else None
