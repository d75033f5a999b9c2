"""Interleaved rounds: every model takes its turn on the same batches, in an order drawn anew each time.

    measured = measure({"a": a, "b": b}, batches, budget_s=10, seed=13)

A turn waits until the threads of the one before have come to rest, and answers one batch that is not timed.
Rounds beside a busy neighbour are dropped and repeated, as in `compress.judge.latency`.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from compress.bench.contenders import Answerer
from compress.judge.interference import BUSY, Read, others_share, read
from compress.judge.latency import rest
from compress.judge.report import MIN_CLEAN_ROUNDS
from serve.inputs import Input

ROUNDS = 30  # clean ones, at most
REPEATS = 3  # a busy machine may take this many times the budget
CALLS = 10  # timed in a turn, at least
SHORTEST_ROUND_S = 0.5  # a shorter round cannot be judged clean
STEADY = 0.05  # warm-up goes on until two medians in a row are this near
WARM_UPS = 20  # turns of the warm-up, at most

Milliseconds = NDArray[np.float64]
Draw = Callable[[np.random.Generator], Sequence[Input]]  # one batch of texts
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Times:
    """What one model took, each of shape (rounds, calls)."""

    whole_ms: Milliseconds  # text to label
    model_ms: Milliseconds  # the same batches without the tokenizer and without labels


@dataclass(frozen=True, slots=True)
class Measured:
    """The times of all, of clean rounds; of all rounds where `noisy`."""

    times: Mapping[str, Times]
    rounds: int  # clean rounds
    dropped_rounds: int

    @property
    def noisy(self) -> bool:
        """Too few clean rounds: the figures are there to be looked at, and prove nothing."""
        return self.rounds < MIN_CLEAN_ROUNDS


def measure(
    contenders: Mapping[str, Answerer],
    draw: Draw,
    *,
    budget_s: float,
    seed: int,
    progress: Progress | None = None,
    counters: Read = read,
) -> Measured:
    """About `budget_s` seconds of rounds on a quiet machine, at least 5 rounds, at most 30."""
    random = np.random.default_rng(seed)
    call_s = sum(warm_up(one, draw, random) for one in contenders.values())
    calls = max(CALLS, int(np.ceil(SHORTEST_ROUND_S / call_s)))
    calls = max(2, min(calls, int(budget_s / MIN_CLEAN_ROUNDS / call_s)))
    planned = int(np.clip(budget_s / (calls * call_s), MIN_CLEAN_ROUNDS, ROUNDS))
    clean: list[dict[str, Times]] = []
    dropped: list[dict[str, Times]] = []
    start = time.perf_counter()
    while len(clean) < planned and len(clean) + len(dropped) < REPEATS * planned:
        if clean + dropped and time.perf_counter() - start > REPEATS * max(
            budget_s, planned * calls * call_s
        ):
            break
        batches = [draw(random) for _ in range(calls)]
        order = [str(name) for name in random.permutation(list(contenders))]
        before = counters()
        turns = {name: _turn(contenders[name], batches) for name in order}
        (dropped if others_share(before, counters()) > BUSY else clean).append(turns)
        if progress:
            progress(len(clean), planned)
    kept = clean if len(clean) >= MIN_CLEAN_ROUNDS else clean + dropped
    return Measured({name: _stacked(kept, name) for name in contenders}, len(clean), len(dropped))


def warm_up(contender: Answerer, draw: Draw, random: np.random.Generator) -> float:
    """Answer until the times have come to rest; gives the seconds of a call, whole and model alone together."""
    batches = [draw(random) for _ in range(5)]
    last = np.inf
    for _ in range(WARM_UPS):
        turn = _turn(contender, batches)
        median = float(np.median(turn.whole_ms + turn.model_ms))
        if abs(median - last) <= STEADY * last:
            break
        last = median
    return median / 1000


def _turn(contender: Answerer, batches: Sequence[Sequence[Input]]) -> Times:
    rest()
    contender.predict(batches[0])  # brings its weights back to the caches and its threads back to work
    prepared = [contender.tokens(batch) for batch in batches]
    whole = _timed(contender.predict, batches)
    return Times(whole, _timed(contender.logits_of, prepared))


def _timed(call: Callable[..., object], inputs: Sequence[object]) -> Milliseconds:
    times = np.empty(len(inputs))
    for index, given in enumerate(inputs):
        start = time.perf_counter()
        call(given)
        times[index] = (time.perf_counter() - start) * 1000
    return times


def _stacked(rounds: Sequence[Mapping[str, Times]], name: str) -> Times:
    return Times(
        np.stack([turns[name].whole_ms for turns in rounds]),
        np.stack([turns[name].model_ms for turns in rounds]),
    )
