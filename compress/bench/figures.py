"""From times to figures: quantiles and ratios with intervals over rounds."""

import numpy as np
from numpy.typing import NDArray

from compress.bench.document import Quantile
from compress.bench.rounds import Milliseconds
from compress.judge.report import Interval

QUANTILES = (0.5, 0.9, 0.95, 0.99)
_RESAMPLES = 2_000
_TAILS = (0.025, 0.975)


def quantiles(times: Milliseconds, seed: int) -> list[Quantile]:
    """Those of `QUANTILES` over all calls; `times` has shape (rounds, calls).

    Rounds are drawn, not calls: calls of one round share what disturbed it (a bootstrap of clusters; Davison
    and Hinkley 1997, "Bootstrap Methods and their Application", section 3.8).
    """
    drawn = times[_draws(len(times), seed)].reshape(_RESAMPLES, -1)
    replicates = np.quantile(drawn, QUANTILES, axis=1)
    return [
        Quantile(ms=float(value), ci=_interval(row))
        for value, row in zip(np.quantile(times, QUANTILES), replicates, strict=True)
    ]


def ratio(times: Milliseconds, reference: Milliseconds, seed: int) -> tuple[float, Interval]:
    """Median over rounds of the ratio of the two p50, with its interval; both have shape (rounds, calls)."""
    ratios = np.median(times, axis=1) / np.median(reference, axis=1)
    return float(np.median(ratios)), _interval(np.median(ratios[_draws(len(ratios), seed)], axis=1))


def _draws(rounds: int, seed: int) -> NDArray[np.int64]:
    return np.random.default_rng(seed).integers(rounds, size=(_RESAMPLES, rounds))


def _interval(values: NDArray[np.float64]) -> Interval:
    low, high = np.quantile(values, _TAILS)
    return float(low), float(high)
