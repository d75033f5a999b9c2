"""How many texts are best answered in one go: measured, so that whoever serves need not guess.

On a processor a batch of int8 gains little or nothing, and short texts pay for the padding to the longest; a float
model of short texts gains half as much again. Which it is depends on the model, the texts and the machine.
"""

import time
from collections.abc import Sequence

import numpy as np

from serve.bundle import Batches, BatchPoint
from serve.inputs import Input
from serve.runtime import OnnxRuntime
from serve.tasks import Tokens

SIZES = (1, 2, 4, 8, 16, 32)
TEXTS = 64  # a multiple of every size
_ROUNDS = 5
_GAIN = 1.1  # times the texts per second of one by one, at least, for a batch to be worth its waiting
_NEARLY = 0.95  # of the best rate, which the smallest such batch has
_TEXTS_IN_A_HOP = 8  # answered one by one: what a hop costs is saved by then
_HOP_S = 0.05  # that a lone request may wait behind a hop
_MOST_TOKENS = 16_384


def batch_curve(runtime: OnnxRuntime, texts: Sequence[Input]) -> list[BatchPoint]:
    """Texts per second for each size of batch, the median of rounds in which all sizes take their turns.

    `runtime` answers in true batches of at least 32; a batch holds texts as they come, padded to the longest of
    them. Raises ValueError without texts.
    """
    if not texts:
        raise ValueError("expected texts")
    encodings = runtime.tokens([texts[number % len(texts)] for number in range(TEXTS)])
    runtime.logits_of(encodings[: max(SIZES)])  # the first inference allocates
    rates: dict[int, list[float]] = {size: [] for size in SIZES}
    for _ in range(_ROUNDS):
        for size in SIZES:
            rates[size].append(TEXTS / _seconds(runtime, encodings, size))
    return [BatchPoint(texts=size, per_second=round(float(np.median(rates[size])), 1)) for size in SIZES]


def choose_batches(
    curve: Sequence[BatchPoint], *, invariant: bool, tokens_per_text: float, max_length: int
) -> Batches:
    """What a server does with that: true batches only where they change no answer and answer more texts.

    `tokens_per_text` is the mean over the texts that were timed. As many tokens are taken at once as are answered in
    50 ms, so that a lone request never waits long behind a batch; at least one text of `max_length`.
    """
    best = max(point.per_second for point in curve)
    alone = curve[0].per_second
    together = invariant and best >= _GAIN * alone
    if together:
        chosen = next(point for point in curve if point.per_second >= _NEARLY * best)
        texts, rate = chosen.texts, chosen.per_second
    else:
        texts, rate = _TEXTS_IN_A_HOP, alone
    tokens = min(max(int(rate * tokens_per_text * _HOP_S), max_length), _MOST_TOKENS)
    return Batches(together=together, texts=texts, tokens=tokens, curve=list(curve))


def _seconds(runtime: OnnxRuntime, encodings: Sequence[Tokens], size: int) -> float:
    start = time.perf_counter()
    for first in range(0, len(encodings), size):
        runtime.logits_of(encodings[first : first + size])
    return time.perf_counter() - start
