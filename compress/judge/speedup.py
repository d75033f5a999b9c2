"""Brings the timings at one thread and at all threads together as the report shows them."""

from collections.abc import Mapping

from compress.judge.latency import LatencyResult
from compress.judge.report import Latency, Speedup


def speedup(by_threads: Mapping[int, LatencyResult], contestant: str) -> Speedup:
    """The lower of the contestant's speed-ups, so that no choice of threads flatters the student.

    `by_threads` maps the number of threads that both sides had to what was measured with it. `rounds` is the
    least number of clean rounds of any of them: where one is too noisy to count, nobody
    knows which is the lower.
    """
    threads = min(by_threads, key=lambda count: by_threads[count].speedups[contestant].value)
    lowest = by_threads[threads].speedups[contestant]
    return Speedup(
        p50=lowest.value,
        ci=lowest.ci,
        threads=threads,
        by_threads={
            str(count): result.speedups[contestant].value for count, result in sorted(by_threads.items())
        },
        rounds=min(result.rounds for result in by_threads.values()),
        dropped_rounds=sum(result.dropped_rounds for result in by_threads.values()),
    )


def latency_rows(by_threads: Mapping[int, LatencyResult], contestant: str) -> dict[str, Latency]:
    """The contestant's `batch_1` (the most threads) and `batch_1_one_thread` (the fewest)."""
    return {
        "batch_1": _latency(by_threads, max(by_threads), contestant),
        "batch_1_one_thread": _latency(by_threads, min(by_threads), contestant),
    }


def _latency(by_threads: Mapping[int, LatencyResult], threads: int, contestant: str) -> Latency:
    timing = by_threads[threads].timings[contestant]
    return Latency(
        p50_ms=timing.p50_ms,
        p95_ms=timing.p95_ms,
        samples=timing.samples,
        threads=threads,
        quantiles_ms=timing.quantiles_ms,
    )
