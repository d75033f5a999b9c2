"""What a running endpoint counts, looked at every second or two, as rates and latencies of late."""

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

from serve.errors import UserError

_KEPT = 90  # looks
_LATELY_SECONDS = 15.0  # over which rates and quantiles are taken

Buckets = Mapping[float, float]  # how many took at most so many seconds


@dataclass(frozen=True, slots=True)
class Look:
    """The endpoint's counters at one moment; they only grow, except `waiting`."""

    at: float  # seconds of a clock that only goes on
    texts: float
    requests: float  # that asked for answers; health checks and looks like this one are none
    failed: float  # of these, answered with 4xx or 5xx
    truncated: float  # texts whose end was not read
    waiting: float  # texts admitted and not yet answered
    seconds: Buckets  # of the requests


@dataclass(frozen=True, slots=True)
class Lately:
    """What went on between two looks."""

    seconds: float  # between them
    texts_per_s: float
    requests: float
    failed: float
    p50_ms: float | None  # None where nothing was asked
    p95_ms: float | None


def read_look(exposed: str, at: float) -> Look:
    """The counters of a text in Prometheus' format; what is missing counts as 0."""
    sums: dict[str, float] = {}
    requests = failed = 0.0
    buckets: dict[float, float] = {}
    for family in text_string_to_metric_families(exposed):
        for sample in family.samples:
            sums[sample.name] = sums.get(sample.name, 0.0) + sample.value
            route = sample.labels.get("route", "")
            if not _answers(route):
                continue
            if sample.name == "compress_requests_total":
                requests += sample.value
                failed += sample.value if sample.labels["status"][:1] in ("4", "5") else 0.0
            elif sample.name == "compress_request_seconds_bucket":
                edge = float(sample.labels["le"])
                buckets[edge] = buckets.get(edge, 0.0) + sample.value
    return Look(
        at=at,
        texts=sums.get("compress_texts_total", 0.0),
        requests=requests,
        failed=failed,
        truncated=sums.get("compress_truncated_total", 0.0),
        waiting=sums.get("compress_waiting_texts", 0.0),
        seconds=buckets,
    )


def _answers(route: str) -> bool:
    """Whether texts are answered there; the rest are health checks and this page's own looks."""
    return route in ("/", "/predict", "/invocations") or route.endswith("/infer")


def between(before: Look, after: Look) -> Lately:
    """What went on between two looks; an endpoint that was started again counts from nought."""
    seconds = max(after.at - before.at, 1e-9)
    grown = {edge: max(0.0, count - before.seconds.get(edge, 0.0)) for edge, count in after.seconds.items()}
    return Lately(
        seconds=seconds,
        texts_per_s=max(0.0, after.texts - before.texts) / seconds,
        requests=max(0.0, after.requests - before.requests),
        failed=max(0.0, after.failed - before.failed),
        p50_ms=quantile_ms(grown, 0.5),
        p95_ms=quantile_ms(grown, 0.95),
    )


def quantile_ms(buckets: Buckets, share: float) -> float | None:
    """The quantile of a histogram in milliseconds, as Prometheus' `histogram_quantile` estimates it.

    Linear within the bucket; in the last one, which has no end, its beginning. None of no observations.
    """
    edges = sorted(buckets)
    total = buckets[edges[-1]] if edges else 0.0
    if not total:
        return None
    low, below = 0.0, 0.0
    for edge in edges:
        count = buckets[edge]
        if count >= share * total:
            if edge == float("inf"):
                return 1000 * low
            inside = (share * total - below) / (count - below) if count > below else 1.0
            return 1000 * (low + (edge - low) * inside)
        low, below = edge, count
    return 1000 * low


class Watch:
    """The last looks at an endpoint, shared by all pages: it is asked once a second at most."""

    def __init__(self, exposed: Callable[[], str], least_seconds: float = 1.0) -> None:
        self.failure: str | None = None  # why the last look saw nothing
        self._exposed = exposed
        self._least_seconds = least_seconds
        self._lock = threading.Lock()
        self._looks: deque[Look] = deque(maxlen=_KEPT)
        self._tried = float("-inf")

    def look(self) -> list[Look]:
        """The looks so far, the newest last, after another one if it is time."""
        with self._lock:
            now = time.monotonic()
            if now - self._tried >= self._least_seconds:
                self._tried = now
                try:
                    self._looks.append(read_look(self._exposed(), now))
                    self.failure = None
                except (UserError, ValueError) as error:
                    self.failure = error.found if isinstance(error, UserError) else "no metrics"
            return list(self._looks)


def lately(looks: list[Look]) -> Lately | None:
    """What went on in the last seconds; None before the second look."""
    if len(looks) < 2:
        return None
    last = looks[-1]
    earlier = [look for look in looks[:-1] if last.at - look.at <= _LATELY_SECONDS] or [looks[-2]]
    return between(earlier[0], last)
