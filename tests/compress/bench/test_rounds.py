"""Interleaved timing: what was planted is found, a busy neighbour is told, and intervals cover."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count

import numpy as np
import pytest
from tokenizers import Encoding

from compress.bench.document import AS_THEY_COME
from compress.bench.figures import QUANTILES, quantiles, ratio
from compress.bench.pipeline import _cells
from compress.bench.rounds import Answerer, Measured, Times, measure
from compress.judge.interference import Counters


@dataclass
class Sleeper:
    """Takes so long for a text, a part of it for the model."""

    name: str
    whole_s: float
    model_s: float
    log: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)

    def predict(self, inputs: Sequence[str]) -> object:
        self.log.append((self.name, tuple(inputs)))
        time.sleep(self.whole_s * len(inputs))
        return None

    def tokens(self, inputs: Sequence[str]) -> list[Encoding]:
        return list(inputs)  # type: ignore[arg-type]  # what it gives is what it takes

    def logits_of(self, encodings: Sequence[Encoding]) -> object:
        time.sleep(self.model_s * len(encodings))
        return None


def counters(is_busy: Callable[[int], bool]) -> Callable[[], Counters]:
    def read() -> Iterator[Counters]:
        machine_s = 0.0
        for call in count():
            machine_s += 1.0 if call % 2 and is_busy(call // 2) else 0.0
            yield Counters(wall_s=float(call), machine_s=machine_s, own_s=0.0, cores=2)

    found = read()
    return lambda: next(found)


def draw(random: np.random.Generator) -> list[str]:
    return [f"text {int(random.integers(1000))}"]


def pair() -> tuple[dict[str, Answerer], list[tuple[str, tuple[str, ...]]]]:
    log: list[tuple[str, tuple[str, ...]]] = []
    return {"slow": Sleeper("slow", 0.008, 0.006, log), "fast": Sleeper("fast", 0.002, 0.001, log)}, log


def test_the_planted_times_are_found_and_everyone_has_the_same_batches() -> None:
    contenders, log = pair()
    found = measure(contenders, draw, budget_s=1.0, seed=3, counters=counters(lambda _: False))
    assert not found.noisy
    assert found.dropped_rounds == 0
    slow, fast = found.times["slow"], found.times["fast"]
    assert 7 < np.median(slow.whole_ms) < 14
    assert np.median(slow.model_ms) < np.median(slow.whole_ms)
    value, (low, high) = ratio(slow.whole_ms, fast.whole_ms, seed=1)
    assert low <= value <= high
    assert 2 < value < 5  # 4 as planted; a sleep takes a little longer than it is told
    calls = slow.whole_ms.shape[1]
    timed = log[-2 * (calls + 1) :]  # the last round: each in one block, the same batches
    first, second = timed[: calls + 1], timed[calls + 1 :]
    assert {first[0][0], second[0][0]} == {"slow", "fast"}
    assert [batch for _, batch in first] == [batch for _, batch in second]


def test_rounds_beside_a_busy_neighbour_are_dropped_and_repeated() -> None:
    contenders, _ = pair()
    found = measure(contenders, draw, budget_s=0.5, seed=3, counters=counters(lambda number: number < 2))
    assert (found.dropped_rounds, found.noisy) == (2, False)
    always = measure(contenders, draw, budget_s=0.2, seed=3, counters=counters(lambda _: True))
    assert always.noisy
    assert always.rounds == 0
    assert len(always.times["fast"].whole_ms) == always.dropped_rounds


def test_quantiles_are_numpys_and_their_intervals_come_from_rounds() -> None:
    random = np.random.default_rng(0)
    steady = random.normal(10, 1, size=(20, 30))
    for quantile, found in zip(QUANTILES, quantiles(steady, seed=1), strict=True):
        assert found.ms == pytest.approx(np.quantile(steady, quantile))
        assert found.ci[0] <= found.ms <= found.ci[1]
    # The same spread, but of whole rounds: much less is known.
    uneven = np.repeat(random.normal(10, 1, size=(20, 1)), 30, axis=1)
    low, high = quantiles(uneven, seed=1)[0].ci
    narrow_low, narrow_high = quantiles(steady, seed=1)[0].ci
    assert high - low > 3 * (narrow_high - narrow_low)


def test_each_figure_of_a_row_is_what_its_name_says() -> None:
    random = np.random.default_rng(2)
    times = {name: Times(random.exponential(size=(6, 40)), random.exponential(size=(6, 40))) for name in "ab"}
    cells = _cells(Measured(times, rounds=6, dropped_rounds=1), "a", 2, 4, AS_THEY_COME, 7.5)
    for cell, (name, one) in zip(cells, times.items(), strict=True):
        assert (cell.model, cell.threads, cell.batch, cell.tokens) == (name, 2, 4, 7.5)
        for share, found in ((0.5, cell.p50), (0.9, cell.p90), (0.95, cell.p95), (0.99, cell.p99)):
            assert found.ms == pytest.approx(np.quantile(one.whole_ms, share))
        assert cell.model_p50.ms == pytest.approx(np.quantile(one.model_ms, 0.5))
        assert cell.texts_per_second == pytest.approx(4 * 240 / (one.whole_ms.sum() / 1000))
        of_rounds = np.median(one.whole_ms, axis=1) / np.median(times["a"].whole_ms, axis=1)
        assert cell.ratio == pytest.approx(np.median(of_rounds))
        assert (cell.calls, cell.rounds, cell.dropped_rounds, cell.noisy) == (240, 6, 1, False)
