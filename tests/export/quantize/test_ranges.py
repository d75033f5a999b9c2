"""Ranges from pieces: what a quantiser is told must be what all values together say."""

import numpy as np
import pytest
from onnxruntime.quantization.calibrate import HistogramCollector

from export.quantize.ranges import Histogram, MinMax, observer


def pieces(seed: int = 3) -> list[np.ndarray]:
    """Skewed values in pieces whose spans differ, so that bins are merged on the way."""
    random = np.random.default_rng(seed)
    return [
        (random.gamma(2.0, scale, size=(1, 40, 64)) - 0.5).astype(np.float32)
        for scale in (0.01, 0.1, 1.0, 0.3, 2.0)
    ]


def test_lowest_and_highest_are_those_of_all_values() -> None:
    seen = MinMax()
    for piece in pieces():
        seen.see(piece)
    values = np.concatenate(pieces(), axis=None)
    assert seen.range() == (pytest.approx(values.min()), pytest.approx(values.max()))
    assert MinMax().range() == (0.0, 0.0)


@pytest.mark.parametrize("percentile", [99.0, 99.9, 99.99])
def test_a_percentile_from_pieces_is_that_of_all_values(percentile: float) -> None:
    seen = Histogram(percentile)
    for piece in pieces():
        seen.see(piece)
    values = np.concatenate(pieces(), axis=None)
    cut = (100 - percentile) / 2
    width = 2 * seen.limit / len(seen.counts)
    assert seen.counts.sum() == values.size  # nothing is forgotten where bins are merged
    exact = np.percentile(values, [cut, 100 - cut], method="inverted_cdf").tolist()
    assert seen.range() == pytest.approx(tuple(exact), abs=2.5 * width)


def test_a_percentile_is_near_the_one_of_onnx_runtime() -> None:
    theirs = HistogramCollector("percentile", False, 2048, None, 99.9, "same")
    seen = Histogram(99.9)
    for piece in pieces():
        theirs.collect_value({"x": piece})
        seen.see(piece)
    low, high, *_ = theirs.compute_percentile()["x"]
    assert seen.range() == pytest.approx((float(low), float(high)), abs=0.02 * float(high))


def test_entropy_cuts_a_lone_outlier_and_keeps_what_is_spread_evenly() -> None:
    random = np.random.default_rng(5)
    bell = random.normal(size=50_000).astype(np.float32)
    outlier = observer("entropy", 0)
    outlier.see(bell)
    outlier.see(np.asarray([60.0], np.float32))
    assert 2 < outlier.range()[1] < 20
    even = observer("entropy", 0)
    even.see(random.uniform(-1, 1, 50_000).astype(np.float32))
    assert even.range()[1] > 0.9


def test_what_is_kept_does_not_grow() -> None:
    seen = Histogram(99.9)
    for size in (1e-5, 1.0, 1e4):
        seen.see(np.full(10_000, size, np.float32))
    assert seen.counts.nbytes == 2048 * 8
    assert seen.range()[1] == pytest.approx(1e4)


def test_zeros_alone_have_a_range() -> None:
    seen = Histogram(99.9)
    seen.see(np.zeros((1, 8), np.float32))
    assert seen.range() == (0.0, 0.0)
