"""Which of several files of a model is fastest, with the doubt in favour of the first.

One thread, so that no session's idle threads take the processor from the next; one text at a time; in turns.
"""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from serve.encoding import Integers
from serve.session import Session, open_session
from serve.tasks.answering import Output

ROUNDS = 15
_MOST_LOST = 2  # rounds; as many heads in 15 throws or fewer have probability 0.004
_WORTH_IT = 0.95  # of the first one's time

Milliseconds = NDArray[np.float64]  # (rounds,), the median over the texts


def time_in_turns(
    files: Mapping[str, Path],
    texts: Sequence[Mapping[str, Integers]],
    labels: int,
    seed: int = 13,
    outputs: Sequence[Output] = (),
) -> dict[str, Milliseconds]:
    """Milliseconds of each file by round; `texts` are token arrays of shape (1, tokens)."""
    sessions = {name: open_session(path, labels, outputs=outputs, threads=1) for name, path in files.items()}
    random = np.random.default_rng(seed)
    times: dict[str, list[float]] = {name: [] for name in files}
    for _ in range(ROUNDS):
        for name in random.permutation(list(files)):
            times[str(name)].append(_turn(sessions[str(name)], texts))
    return {name: np.asarray(rounds) for name, rounds in times.items()}


def fastest(times: Mapping[str, Milliseconds]) -> str:
    """The first, unless another is faster in all rounds but two, and by a twentieth at least."""
    first, *others = times
    better = [name for name in others if _clearly_faster(times[name], times[first])]
    return min(better, key=lambda name: float(np.median(times[name])), default=first)


def _clearly_faster(challenger: Milliseconds, first: Milliseconds) -> bool:
    ratios = challenger / first
    return int((ratios >= 1).sum()) <= _MOST_LOST and float(np.median(ratios)) < _WORTH_IT


def _turn(session: Session, texts: Sequence[Mapping[str, Integers]]) -> float:
    session.run_all(dict(texts[0]))  # brings its weights back to the caches
    spent = []
    for arrays in texts:
        start = time.perf_counter()
        session.run_all(dict(arrays))
        spent.append((time.perf_counter() - start) * 1000)
    return float(np.median(spent))
