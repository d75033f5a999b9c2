"""How many runtimes answer side by side: measured when the server starts, unless it is told.

One session with every thread answers a lone text fastest; several with fewer threads answer more texts in all. The
most sessions are taken that answer a lone text nearly as fast as the best does, if they also answer more in all.
"""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from serve.errors import UserError
from serve.inputs import Input
from serve.runtime import OnnxRuntime
from serve.threads import available_threads

_SLOWER = 1.25  # times the best p50 of a lone text, at most
_MORE = 1.15  # times the texts per second of one session, at least
_CALLS = 20
_ROUNDS = 3
_TEXTS = (
    "a text to begin with",
    "a somewhat longer text, so that what is measured is not the shortest thing that anybody sends",
    "ok",
)

Opened = Callable[[int], OnnxRuntime]  # by the number of threads


def open_runtimes(
    opened: Opened, threads: int | None = None, workers: int | None = None
) -> list[OnnxRuntime]:
    """Runtimes that have answered once; `threads` are those of all together. Raises `UserError`."""
    total = available_threads() if threads is None else threads
    if total < 1 or (workers is not None and workers < 1):
        raise UserError(
            f"{total} threads" if total < 1 else f"{workers} workers",
            "at least 1",
            "leave the number out to have it chosen",
        )
    if workers is None:
        workers = 1 if total == 1 else _chosen(opened, total)
    return _warm(opened, max(1, total // workers), workers)


def _chosen(opened: Opened, total: int) -> int:
    alone: dict[int, float] = {}
    per_second: dict[int, float] = {}
    for workers in _splits(total):
        runtimes = _warm(opened, total // workers, workers)
        alone[workers] = min(_alone_s(runtimes[0]) for _ in range(_ROUNDS))
        per_second[workers] = max(_per_second(runtimes) for _ in range(_ROUNDS))
        del runtimes  # before the next ones are opened: a model may be large
    best = min(alone.values())
    good = [
        workers
        for workers in alone
        if alone[workers] <= _SLOWER * best and per_second[workers] >= _MORE * per_second[1]
    ]
    return max(good, default=1)


def _splits(total: int) -> list[int]:
    """1, 2, 4, ... up to a session for each thread."""
    found = [1]
    while 2 * found[-1] <= total:
        found.append(2 * found[-1])
    return found


def _warm(opened: Opened, threads: int, workers: int) -> list[OnnxRuntime]:
    runtimes = [opened(threads) for _ in range(workers)]
    for runtime in runtimes:
        runtime.predict([_asked(runtime, text) for text in _TEXTS])  # the first inference allocates
    return runtimes


def _asked(runtime: OnnxRuntime, text: str) -> Input:
    return (text, text) if runtime.takes_pairs else text


def _alone_s(runtime: OnnxRuntime) -> float:
    times = []
    for call in range(_CALLS):
        start = time.perf_counter()
        runtime.predict([_asked(runtime, _TEXTS[call % len(_TEXTS)])])
        times.append(time.perf_counter() - start)
    return float(np.median(times))


def _per_second(runtimes: Sequence[OnnxRuntime]) -> float:
    def busy(runtime: OnnxRuntime) -> None:
        for call in range(_CALLS):
            runtime.predict([_asked(runtime, _TEXTS[call % len(_TEXTS)])])

    start = time.perf_counter()
    with ThreadPoolExecutor(len(runtimes)) as pool:
        list(pool.map(busy, runtimes))
    return _CALLS * len(runtimes) / (time.perf_counter() - start)
