"""What is counted, for Prometheus. One registry for each application, so that two in a process stay apart."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from serve.batcher import Answered

CONTENT_TYPE = CONTENT_TYPE_LATEST
_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)
_TEXTS = (1, 2, 4, 8, 16, 32, 64)


class Metrics:
    """Counters of requests by route and cause, and where the time of answers goes, by model.

    Routes are templates and models are those that are served, so no client can add a series.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        at = self.registry
        self.requests = Counter(
            "compress_requests", "Requests that got an answer.", ["route", "status", "cause"], registry=at
        )
        self.request_seconds = Histogram(
            "compress_request_seconds",
            "From the request to its answer.",
            ["route"],
            buckets=_SECONDS,
            registry=at,
        )
        model = ["model"]
        self.texts = Counter("compress_texts", "Texts that were answered.", model, registry=at)
        self.tokens = Counter("compress_tokens", "Tokens of those texts.", model, registry=at)
        self.truncated = Counter("compress_truncated", "Texts whose end was not read.", model, registry=at)
        self.tokenize_seconds, self.queue_seconds, self.infer_seconds = (
            Histogram(f"compress_{what}_seconds", told, model, buckets=_SECONDS, registry=at)
            for what, told in (
                ("tokenize", "A request in the tokenizer."),
                ("queue", "A request waiting for its turn."),
                ("infer", "The hop that answered a request."),
            )
        )
        self.hop_texts = Histogram(
            "compress_batch_texts", "Texts that were answered in one hop.", model, buckets=_TEXTS, registry=at
        )
        self.waiting_texts = Gauge(
            "compress_waiting_texts", "Texts admitted and not yet answered.", model, registry=at
        )
        self.waiting_tokens = Gauge("compress_waiting_tokens", "Their tokens.", model, registry=at)
        self.bundle = Info("compress_bundle", "The bundle that answers.", model, registry=at)
        self._series: dict[tuple[str, int, str], tuple[Counter, Histogram]] = {}
        self.swaps = Counter(
            "compress_swaps", "Bundles put in while serving.", ["model", "outcome"], registry=at
        )

    def request(self, route: str, status: int, cause: str, seconds: float) -> None:
        """Count an answered request; series are looked up once, since that costs more than counting."""
        key = route, status, cause
        series = self._series.get(key)
        if series is None:
            series = self.requests.labels(route, str(status), cause), self.request_seconds.labels(route)
            self._series[key] = series
        count, times = series
        count.inc()
        times.observe(seconds)

    def exposed(self) -> bytes:
        """The text that Prometheus reads."""
        return bytes(generate_latest(self.registry))


class ModelMeter:
    """A `serve.batcher.Meter` of one model."""

    def __init__(self, metrics: Metrics, model: str) -> None:
        self._texts = metrics.waiting_texts.labels(model)
        self._tokens = metrics.waiting_tokens.labels(model)
        self._hop = metrics.hop_texts.labels(model)
        self._answered = metrics.texts.labels(model)
        self._tokens_read = metrics.tokens.labels(model)
        self._truncated = metrics.truncated.labels(model)
        self._tokenize_s = metrics.tokenize_seconds.labels(model)
        self._queue_s = metrics.queue_seconds.labels(model)
        self._infer_s = metrics.infer_seconds.labels(model)

    def answered(self, found: Answered) -> None:
        """Count the answers to one request."""
        self._answered.inc(len(found.answers))
        self._tokens_read.inc(sum(answer.tokens for answer in found.answers))
        if truncated := sum(answer.truncated for answer in found.answers):
            self._truncated.inc(truncated)
        self._tokenize_s.observe(found.tokenize_s)
        self._queue_s.observe(found.queue_s)
        self._infer_s.observe(found.infer_s)

    def look_at(self, waiting: Callable[[], tuple[int, int]]) -> None:
        """Whom to ask, when somebody reads the metrics, for the texts and tokens that are admitted and not answered."""
        self._texts.set_function(lambda: waiting()[0])
        self._tokens.set_function(lambda: waiting()[1])

    def hop(self, texts: int, tokens: int, seconds: float) -> None:  # noqa: ARG002  the time is in another series
        """So much was answered in one go."""
        self._hop.observe(texts)
