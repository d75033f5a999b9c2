import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count

import numpy as np
import pytest

from compress.judge import latency
from compress.judge.bootstrap import Estimate
from compress.judge.interference import Counters
from compress.judge.latency import LatencyResult, Plan, Timing, measure, pilot
from compress.judge.speedup import latency_rows, speedup
from serve.predictor import Predictor
from serve.tasks import Answer, Classification

TEXTS = [f"text {number}" for number in range(40)]
REPEATS = latency._REPEATS  # as shipped; for whole runs the tests set it to 1
ANSWER = Classification(label="a", probabilities={"a": 1.0}, tokens=1, truncated=False)


@pytest.fixture(autouse=True)
def _as_shipped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latency, "_REPEATS", REPEATS)


@dataclass
class Sleeper:
    """Answers after so long, and keeps what it was asked."""

    name: str
    pause_s: float
    log: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)

    def predict(self, inputs: Sequence[str]) -> list[Answer]:
        self.log.append((self.name, tuple(inputs)))
        time.sleep(self.pause_s)
        return [ANSWER] * len(inputs)


def neighbour(is_busy: Callable[[int], bool]) -> Callable[[], Counters]:
    """Counters of a machine on which others use half of the processor in the rounds that are busy."""

    def read() -> Iterator[Counters]:
        machine_s = 0.0
        for call in count():
            machine_s += 1.0 if call % 2 and is_busy(call // 2) else 0.0
            yield Counters(wall_s=float(call), machine_s=machine_s, own_s=0.0, cores=2)

    counters = read()
    return lambda: next(counters)


def pair() -> tuple[dict[str, Predictor], list[tuple[str, tuple[str, ...]]]]:
    log: list[tuple[str, tuple[str, ...]]] = []
    return {"teacher": Sleeper("teacher", 0.004, log), "student": Sleeper("student", 0.0005, log)}, log


def run(plan: Plan, is_busy: Callable[[int], bool], seed: int = 0) -> LatencyResult:
    contestants, _ = pair()
    return measure(contestants, TEXTS, plan, reference="teacher", seed=seed, counters=neighbour(is_busy))


def test_the_slow_contestant_is_slower() -> None:
    result = run(Plan(rounds=6, block=5), lambda _: False)
    assert result.timings["student"].p50_ms < result.timings["teacher"].p50_ms
    assert result.timings["student"].p50_ms <= result.timings["student"].p95_ms
    assert result.speedups["student"].ci[0] > 1.5
    assert result.speedups["teacher"] == Estimate(1.0, (1.0, 1.0))
    low, high = result.speedups["student"].ci
    assert low <= result.speedups["student"].value <= high
    assert (result.rounds, result.dropped_rounds, result.noisy) == (6, 0, False)
    assert {timing.samples for timing in result.timings.values()} == {30}


def test_both_answer_the_same_texts_one_at_a_time_in_blocks_whose_order_changes() -> None:
    contestants, log = pair()
    measure(
        contestants,
        TEXTS,
        Plan(rounds=12, block=4),
        reference="teacher",
        seed=0,
        counters=neighbour(lambda _: False),
    )
    assert all(len(texts) == 1 for _, texts in log)
    turns = log[6:]  # after three texts of warm-up for each
    firsts = set()
    for start in range(0, len(turns), 10):  # a round: two turns of one untimed and four timed texts
        first, second = turns[start : start + 5], turns[start + 5 : start + 10]
        assert [texts for _, texts in first] == [texts for _, texts in second]
        assert len({name for name, _ in first}) == len({name for name, _ in second}) == 1
        assert first[0][0] != second[0][0]
        firsts.add(first[0][0])
    assert len(turns) == 12 * 10
    assert firsts == {"teacher", "student"}


def test_rounds_beside_a_busy_neighbour_are_dropped_and_repeated() -> None:
    result = run(Plan(rounds=6, block=2), lambda number: number % 3 == 0)
    assert (result.rounds, result.dropped_rounds, result.noisy) == (6, 3, False)
    assert result.timings["teacher"].samples == 12


def test_a_neighbour_that_never_rests_makes_the_result_noisy() -> None:
    result = run(Plan(rounds=5, block=2), lambda number: number > 1)
    assert (result.rounds, result.dropped_rounds, result.noisy) == (2, 13, True)
    assert result.timings["teacher"].samples == 30  # the figures of all rounds are still given
    assert result.speedups["student"].value > 1


def test_what_a_busy_round_measured_does_not_reach_the_result() -> None:
    """Planted fault: the student is slow exactly while the neighbour is busy."""
    contestants, _ = pair()
    student = contestants["student"]
    assert isinstance(student, Sleeper)
    busy = neighbour(lambda number: number % 2 == 0)
    calls = count()

    def counters() -> Counters:
        student.pause_s = 0.03 if next(calls) % 4 < 2 - 1 else 0.0005
        return busy()

    result = measure(
        contestants, TEXTS, Plan(rounds=5, block=3), reference="teacher", seed=0, counters=counters
    )
    assert result.dropped_rounds >= 4
    assert result.speedups["student"].ci[0] > 1.5


def test_no_round_starts_after_the_limit() -> None:
    result = run(Plan(rounds=30, block=1, limit_s=0), lambda _: True)
    assert (result.rounds, result.dropped_rounds, result.noisy) == (0, 1, True)


def test_progress_counts_clean_rounds() -> None:
    contestants, _ = pair()
    seen: list[tuple[int, int]] = []
    measure(
        contestants,
        TEXTS,
        Plan(rounds=3, block=1),
        reference="teacher",
        seed=0,
        progress=lambda done, planned: seen.append((done, planned)),
        counters=neighbour(lambda number: number == 1),
    )
    assert seen == [(1, 3), (1, 3), (2, 3), (3, 3)]


def test_fewer_texts_than_a_block_are_used_again() -> None:
    contestants, _ = pair()
    result = measure(
        contestants,
        ["only"],
        Plan(rounds=1, block=4),
        reference="teacher",
        seed=0,
        counters=neighbour(lambda _: False),
    )
    assert result.timings["student"].samples == 4


def test_an_unknown_reference_is_refused() -> None:
    with pytest.raises(ValueError, match=r"'master' among \['student', 'teacher'\]"):
        measure(pair()[0], TEXTS, Plan(1, 1), reference="master", seed=0)


def test_the_plan_follows_the_budget_within_its_bounds() -> None:
    contestants, _ = pair()
    small, large, huge = (pilot(contestants, TEXTS, budget_s=budget) for budget in (0.01, 8, 1000))
    assert (small.rounds, small.block) == (5, 5)
    assert small.rounds < large.rounds < huge.rounds == 30
    assert large.block >= 20  # the round is long enough for the counters' ticks


def measured(ratio: float, *, rounds: int = 10, dropped: int = 1) -> LatencyResult:
    return LatencyResult(
        timings={"teacher": Timing(10 * ratio, 20 * ratio, 200), "student": Timing(10, 20, 200)},
        speedups={"student": Estimate(ratio, (ratio - 1, ratio + 1))},
        rounds=rounds,
        dropped_rounds=dropped,
    )


@pytest.mark.parametrize(("one", "two", "threads"), [(13.0, 14.0, 1), (15.0, 14.0, 2)])
def test_the_lower_speedup_counts(one: float, two: float, threads: int) -> None:
    lowest = speedup({1: measured(one), 2: measured(two)}, "student")
    assert (lowest.p50, lowest.threads) == (min(one, two), threads)
    assert lowest.ci == (min(one, two) - 1, min(one, two) + 1)
    assert lowest.by_threads == {"1": one, "2": two}
    assert (lowest.rounds, lowest.dropped_rounds) == (10, 2)


def test_one_noisy_side_makes_the_speedup_noisy() -> None:
    assert speedup({1: measured(13), 2: measured(14, rounds=2, dropped=20)}, "student").rounds == 2


def test_latency_rows_name_their_threads() -> None:
    rows = latency_rows({1: measured(13), 4: measured(14)}, "teacher")
    assert {name: row.threads for name, row in rows.items()} == {"batch_1": 4, "batch_1_one_thread": 1}
    assert rows["batch_1"].p50_ms == 140
    single = latency_rows({1: measured(13)}, "teacher")
    assert single["batch_1"] == single["batch_1_one_thread"]


def test_texts_are_drawn_without_doubles_and_by_seed() -> None:
    def asked(seed: int) -> list[str]:
        contestants, log = pair()
        measure(
            contestants,
            TEXTS,
            Plan(rounds=1, block=40),
            reference="teacher",
            seed=seed,
            counters=neighbour(lambda _: False),
        )
        return [text for name, (text,) in log[6:] if name == "student"][1:]

    assert sorted(asked(0)) == sorted(TEXTS)
    assert asked(0) == asked(0) != asked(1)
    assert not np.array_equal(asked(0), TEXTS)
