"""Times several predictors against each other: text to label, one text at a time, turns in random order.

    plan = pilot(contestants, texts, budget_s=20)
    result = measure(contestants, texts, plan, reference="teacher", seed=13)

In a round every contestant answers the same block of texts, in its own turn. A turn starts when the
threads of the one before have come to rest: ONNX Runtime's spin for some 30 ms after an answer, and would
take the processor from whoever is next. Rounds beside a busy neighbour are dropped and repeated.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil, inf

import numpy as np
from numpy.typing import NDArray

from compress.judge.bootstrap import Estimate
from compress.judge.interference import BUSY, Read, others_share, read
from compress.judge.report import MIN_CLEAN_ROUNDS
from serve.inputs import Input
from serve.predictor import Predictor

_MAX_ROUNDS = 30
_REPEATS = 3  # a busy machine may take this many times the planned rounds
_BLOCK = 20  # texts in a turn
_MAX_BLOCK = 200
_SHORTEST_ROUND_S = 0.5  # the machine's counters tick every 10 ms: a shorter round cannot be judged clean
_WARM_UP = 3  # texts
_PILOT = 5  # texts
_PAUSE_S = 0.005
_LONGEST_PAUSE_S = 0.25
_AT_REST = 0.2  # of one core
_RESAMPLES = 5_000

QUANTILES = (0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)  # of the times, for a drawing of them

Milliseconds = NDArray[np.float64]
Progress = Callable[[int, int], None]  # clean rounds done, rounds planned


@dataclass(frozen=True, slots=True)
class Plan:
    """How much to measure."""

    rounds: int  # clean ones
    block: int  # texts that each contestant answers in a round
    limit_s: float = inf  # no round starts later than this


@dataclass(frozen=True, slots=True)
class Timing:
    """One contestant's times from text to label."""

    p50_ms: float
    p95_ms: float
    samples: int
    quantiles_ms: dict[str, float] = field(default_factory=dict)  # by share: "0.25", "0.99"


@dataclass(frozen=True, slots=True)
class LatencyResult:
    """What was measured, by contestant. Of the clean rounds; of all rounds where `noisy`."""

    timings: dict[str, Timing]
    speedups: dict[str, Estimate]  # p50 of the reference over p50 of the contestant
    rounds: int  # clean rounds
    dropped_rounds: int  # rounds in which other processes were busy

    @property
    def noisy(self) -> bool:
        """Too few clean rounds: the figures are there to be looked at, and prove nothing."""
        return self.rounds < MIN_CLEAN_ROUNDS


def pilot(contestants: Mapping[str, Predictor], texts: Sequence[Input], *, budget_s: float) -> Plan:
    """The plan that fits in about `budget_s` seconds on a quiet machine: 5 to 30 rounds of about 20 texts.

    A round is made long enough to tell whether the machine was quiet, and blocks get smaller (down to
    5 texts) before there are fewer than 5 rounds; slow contestants may then go over the budget. A busy
    machine may take three times as long.
    """
    text_s = 0.0  # for all contestants to answer one text
    for predictor in contestants.values():
        _warm_up(predictor, texts)
        text_s += float(np.median(_turn(predictor, _draw(texts, _PILOT, seed=0)))) / 1000
    affordable = budget_s / MIN_CLEAN_ROUNDS / max(text_s, 1e-6)
    block = min(max(_BLOCK, ceil(_SHORTEST_ROUND_S / max(text_s, 1e-6))), _MAX_BLOCK)
    block = max(_PILOT, min(block, int(affordable)))
    # One answer of each turn is not timed, and a rest is some 50 ms where threads spin.
    round_s = (block + 1) * text_s + 0.05 * len(contestants)
    rounds = min(max(int(budget_s / round_s), MIN_CLEAN_ROUNDS), _MAX_ROUNDS)
    return Plan(rounds, block, limit_s=_REPEATS * max(budget_s, rounds * round_s))


def measure(
    contestants: Mapping[str, Predictor],
    texts: Sequence[Input],
    plan: Plan,
    *,
    reference: str,
    seed: int,
    progress: Progress | None = None,
    counters: Read = read,
) -> LatencyResult:
    """Times of all contestants and their speed-up over the contestant named `reference`.

    A round in which others used more than a tenth of the processor is dropped and repeated, until
    `plan.rounds` are clean, three times as many were run or `plan.limit_s` is over. The speed-up is the
    median over rounds of the ratio of the two p50, with a 95 % bootstrap interval over rounds.
    """
    if reference not in contestants or not texts:
        raise ValueError(f"expected texts and {reference!r} among {sorted(contestants)}")
    for predictor in contestants.values():
        _warm_up(predictor, texts)
    random = np.random.default_rng(seed)
    clean: list[dict[str, Milliseconds]] = []
    dropped: list[dict[str, Milliseconds]] = []
    start_s = time.perf_counter()
    while len(clean) < plan.rounds and len(clean) + len(dropped) < _REPEATS * plan.rounds:
        if clean + dropped and time.perf_counter() - start_s > plan.limit_s:
            break
        block = _draw(texts, plan.block, seed=int(random.integers(2**32)))
        order = [str(name) for name in random.permutation(list(contestants))]
        before = counters()
        times = {name: _turn(contestants[name], block) for name in order}
        busy = others_share(before, counters()) > BUSY
        (dropped if busy else clean).append(times)
        if progress:
            progress(len(clean), plan.rounds)
    kept = clean if len(clean) >= MIN_CLEAN_ROUNDS else clean + dropped
    return LatencyResult(
        timings={name: _timing([times[name] for times in kept]) for name in contestants},
        speedups={
            name: _speedup([times[reference] for times in kept], [times[name] for times in kept], seed)
            for name in contestants
        },
        rounds=len(clean),
        dropped_rounds=len(dropped),
    )


def _draw(texts: Sequence[Input], count: int, *, seed: int) -> list[Input]:
    """So many texts, none twice before all were drawn once."""
    order = np.random.default_rng(seed).permutation(len(texts))
    return [texts[int(order[index % len(order)])] for index in range(count)]


def _warm_up(predictor: Predictor, texts: Sequence[Input]) -> None:
    for text in _draw(texts, _WARM_UP, seed=1):
        predictor.predict([text])


def _turn(predictor: Predictor, block: Sequence[Input]) -> Milliseconds:
    """One contestant's times over the block, (texts,), on a machine that our own threads have left."""
    rest()
    predictor.predict([block[0]])  # brings its weights back to the caches and its threads back to work
    return _time_block(predictor, block)


def _time_block(predictor: Predictor, block: Sequence[Input]) -> Milliseconds:
    times = np.empty(len(block))
    for index, text in enumerate(block):
        start = time.perf_counter()
        predictor.predict([text])
        times[index] = (time.perf_counter() - start) * 1000
    return times


def rest() -> None:
    """Sleep until this process uses hardly any processor, a quarter of a second at most."""
    waited_s, share = 0.0, 1.0
    while share > _AT_REST and waited_s < _LONGEST_PAUSE_S:
        wall_s, used_s = time.perf_counter(), time.process_time()
        time.sleep(_PAUSE_S)
        pause_s = time.perf_counter() - wall_s
        share = (time.process_time() - used_s) / pause_s
        waited_s += pause_s


def _timing(rounds: Sequence[Milliseconds]) -> Timing:
    times = np.concatenate(rounds)
    found = {str(share): float(np.quantile(times, share)) for share in QUANTILES}
    return Timing(found["0.5"], found["0.95"], len(times), found)


def _speedup(reference: Sequence[Milliseconds], contestant: Sequence[Milliseconds], seed: int) -> Estimate:
    """Median over rounds of the p50 ratio, and the percentiles of that median over resampled rounds."""
    ratios = np.median(np.stack(reference), axis=1) / np.median(np.stack(contestant), axis=1)
    drawn = np.random.default_rng(seed).integers(len(ratios), size=(_RESAMPLES, len(ratios)))
    low, high = np.quantile(np.median(ratios[drawn], axis=1), (0.025, 0.975))
    return Estimate(float(np.median(ratios)), (float(low), float(high)))
