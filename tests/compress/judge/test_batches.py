import time
from types import SimpleNamespace

import pytest

from compress.judge.batches import SIZES, batch_curve, choose_batches
from serve.bundle import BatchPoint


def curve(*rates: float) -> list[BatchPoint]:
    return [BatchPoint(texts=size, per_second=rate) for size, rate in zip(SIZES, rates, strict=True)]


FLAT = curve(1065, 1100, 1141, 1139, 1129, 1123)
RISING = curve(310, 400, 473, 507, 519, 504)


class Runtime:
    """Answers in a time that is for the call alone, or for each text alone."""

    def __init__(self, call_s: float, text_s: float) -> None:
        self._call_s, self._text_s = call_s, text_s
        self.largest = 0

    def tokens(self, inputs):
        return [SimpleNamespace(ids=[1] * 4) for _ in inputs]

    def logits_of(self, encodings):
        self.largest = max(self.largest, len(encodings))
        time.sleep(self._call_s + self._text_s * len(encodings))


def test_the_curve_tells_what_a_batch_saves() -> None:
    paid_by_call = batch_curve(Runtime(0.001, 0), ["a text"])
    paid_by_text = batch_curve(Runtime(0, 0.001), ["a text"])

    assert [point.texts for point in paid_by_call] == list(SIZES)
    assert paid_by_call[-1].per_second > 8 * paid_by_call[0].per_second
    assert paid_by_text[-1].per_second < 2 * paid_by_text[0].per_second


def test_no_batch_is_larger_than_asked() -> None:
    runtime = Runtime(0, 0)

    batch_curve(runtime, ["a text"] * 100)

    assert runtime.largest == max(SIZES)


def test_a_model_that_gains_from_batches_and_does_not_mix_them_is_asked_in_the_smallest_good_one() -> None:
    found = choose_batches(RISING, invariant=True, tokens_per_text=16, max_length=128)

    assert (found.together, found.texts) == (True, 8)  # 507 is within 5 % of 519
    assert found.tokens == int(507 * 16 * 0.05)


@pytest.mark.parametrize(
    ("points", "invariant"), [(FLAT, True), (RISING, False)], ids=["gains little", "mixes its batch"]
)
def test_any_other_model_is_asked_text_by_text(points: list[BatchPoint], invariant: bool) -> None:
    found = choose_batches(points, invariant=invariant, tokens_per_text=16, max_length=128)

    assert not found.together
    assert found.curve == points


def test_a_text_of_full_length_always_fits_and_a_hop_stays_short() -> None:
    slow = choose_batches(curve(1, 1, 1, 1, 1, 1), invariant=True, tokens_per_text=16, max_length=512)
    fast = choose_batches(curve(*[1e6] * len(SIZES)), invariant=True, tokens_per_text=16, max_length=512)

    assert slow.tokens == 512
    assert fast.tokens == 16_384
