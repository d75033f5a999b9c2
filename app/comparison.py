"""Teacher and student on one text: who says what, how far apart, how fast."""

import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from app.rows import Difference
from serve.inputs import Input
from serve.predictor import Predictor
from serve.tasks import Answer

_REPEATS = 9
_SECONDS = 0.6  # a slow teacher is timed fewer times, so that nobody waits
_REST_SECONDS = 0.05


class Labelled(Protocol):
    """What two answers must have to be compared."""

    @property
    def label(self) -> str:
        """The answer."""
        ...

    @property
    def probabilities(self) -> Mapping[str, float]:
        """Of every label."""
        ...


@dataclass(frozen=True, slots=True)
class Timed:
    """An answer with the time that it took."""

    answer: Answer
    p50_ms: float  # text to label
    runs: int  # timed, after one that was not


def timed(predictor: Predictor, asked: Input) -> Timed:
    """The answer to what is `asked`, and the median of several repeats after a warm-up, measured here."""
    # The threads of whoever answered last go on spinning for some 30 ms and would slow this one down.
    time.sleep(_REST_SECONDS)
    (answer,) = predictor.predict([asked])
    durations: list[float] = []
    while len(durations) < _REPEATS and (not durations or sum(durations) < _SECONDS):
        start = time.perf_counter()
        predictor.predict([asked])
        durations.append(time.perf_counter() - start)
    return Timed(answer, 1000 * statistics.median(durations), len(durations))


def difference(teacher: Labelled, student: Labelled) -> Difference:
    """The difference between two answers, over the labels of both."""
    changes = {
        label: student.probabilities.get(label, 0.0) - teacher.probabilities.get(label, 0.0)
        for label in {**teacher.probabilities, **student.probabilities}
    }
    # With two labels both change by the same amount: the one that gains is named.
    label = max(changes, key=lambda name: (round(abs(changes[name]), 6), changes[name]))
    return Difference(teacher.label == student.label, label, changes[label])
