"""What an endpoint counts becomes rates and quantiles, and an endpoint that is gone is said to be gone."""

import numpy as np
import pytest
from prometheus_client import CollectorRegistry, Histogram, generate_latest

from app.live import Look, Watch, between, lately, quantile_ms, read_look
from app.views.live import live
from serve.client import EndpointError
from serve.info import Info
from serve.limits import Limits
from serve.metrics import Metrics

INFO = Info(
    name="tiny", task="text-classification", labels=["a"], precision="int8", batching="batch", max_length=16,
    verdict="pass", created="2026-11-21", bundle_sha256="0", limits=Limits(),
)  # fmt: skip


def look(at: float, texts: float = 0, requests: float = 0, failed: float = 0) -> Look:
    return Look(
        at, texts, requests, failed, truncated=0, waiting=0, seconds={0.1: requests, float("inf"): requests}
    )


def test_only_requests_for_answers_are_counted() -> None:
    metrics = Metrics()
    for route, status, seconds in [
        ("/predict", "200", 0.004),
        ("/v2/models/{name}/infer", "200", 0.004),
        ("/predict", "429", 0.0004),
        ("/metrics", "200", 3),
        ("/health", "503", 3),
    ]:
        metrics.requests.labels(route, status, "").inc()
        metrics.request_seconds.labels(route).observe(seconds)
    metrics.texts.labels("tiny").inc(7)
    metrics.waiting_texts.labels("tiny").set(2)
    found = read_look(metrics.exposed().decode(), at=1.0)
    assert (found.requests, found.failed, found.texts, found.waiting) == (3, 1, 7, 2)
    assert found.seconds[float("inf")] == 3
    assert quantile_ms(found.seconds, 0.99) == pytest.approx(4.955, abs=0.06)


def test_quantiles_are_near_those_of_the_observations() -> None:
    observed = np.random.default_rng(0).gamma(2, 0.01, 4000)
    edges = np.linspace(0.002, 0.2, 100)
    registry = CollectorRegistry()
    histogram = Histogram("compress_request_seconds", "", ["route"], buckets=list(edges), registry=registry)
    for seconds in observed:
        histogram.labels("/predict").observe(seconds)
    buckets = read_look(generate_latest(registry).decode(), 0.0).seconds
    for share in (0.05, 0.5, 0.95):
        assert quantile_ms(buckets, share) == pytest.approx(1000 * np.quantile(observed, share), abs=1)
    assert quantile_ms({}, 0.5) is None
    assert quantile_ms({0.1: 0, float("inf"): 0}, 0.5) is None
    assert quantile_ms({0.1: 1, float("inf"): 9}, 0.5) == 100


def test_rates_are_of_the_last_seconds_and_never_below_nought() -> None:
    found = between(look(10, texts=100, requests=50), look(14, texts=140, requests=58, failed=2))
    assert (found.texts_per_s, found.requests, found.failed) == (10, 8, 2)
    restarted = between(look(10, texts=100, requests=50), look(12, texts=4, requests=2))
    assert restarted.texts_per_s == 0
    many = [look(at, texts=0 if at < 60 else 5 * (at - 60)) for at in range(0, 100, 2)]
    assert lately(many) is not None
    assert lately(many).texts_per_s == pytest.approx(5)  # type: ignore[union-attr]
    assert lately(many[:1]) is None


def test_an_endpoint_that_goes_away_is_said_to_be_gone_and_comes_back() -> None:
    replies = iter([Metrics().exposed().decode(), None, "no metrics {", Metrics().exposed().decode()])

    def exposed() -> str:
        reply = next(replies)
        if reply is None:
            raise EndpointError("http://x does not answer", "", "")
        return reply

    watch = Watch(exposed, least_seconds=0)
    assert (len(watch.look()), watch.failure) == (1, None)
    assert (len(watch.look()), watch.failure) == (1, "http://x does not answer")
    shown = live("http://x", INFO, watch.look(), watch.failure, is_this_bundle=False)
    assert "does not answer" in shown
    assert "another bundle" in shown
    assert (len(watch.look()), watch.failure) == (2, None)


def test_all_pages_share_one_look_a_second() -> None:
    asked: list[int] = []
    watch = Watch(lambda: asked.append(1) or Metrics().exposed().decode(), least_seconds=60)  # type: ignore[func-returns-value]
    for _ in range(5):
        watch.look()
    assert len(asked) == 1
