"""What is counted and logged: causes and times, and never a text."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families
from served import NAME, make_app

from serve.endpoint import Settings
from serve.limits import Limits
from serve.runtime import OnnxRuntime

LINES: list[dict[str, object]] = []


@pytest.fixture(scope="module")
def client(bundle_folder: Path, runtime: OnnxRuntime) -> Iterator[TestClient]:
    app = make_app(bundle_folder, [runtime], Limits(characters=100), Settings(log=LINES.append))
    with TestClient(app, "http://localhost", raise_server_exceptions=False) as client:
        yield client


def metrics(client: TestClient) -> dict[tuple[str, ...], float]:
    """Samples by name and label values."""
    return {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(client.get("/metrics").text)
        for sample in family.samples
    }


def test_requests_are_counted_by_their_cause(client: TestClient) -> None:
    before = metrics(client)

    def more(*labels: str) -> float:
        key = ("compress_requests_total", *sorted(labels))
        return now.get(key, 0) - before.get(key, 0)

    client.post("/predict", json={"inputs": "good"})
    client.post("/predict", json={"inputs": "a" * 101})
    client.post("/predict", content=b"{")
    client.post("/predict", json={"inputs": "good"}, headers={"content-type": "text/plain"})
    now = metrics(client)
    assert more("/predict", "200", "ok") == 1
    assert more("/predict", "413", "too_large") == 1
    assert more("/predict", "400", "bad_json") == 1
    assert more("/predict", "415", "unsupported_media_type") == 1


def test_texts_tokens_and_times_are_counted(client: TestClient) -> None:
    before = metrics(client)
    client.post("/predict", json={"inputs": [["a great film"], ["film " * 15]]})
    now = metrics(client)
    grown = {name: now[name, NAME] - before[name, NAME] for name, *labels in now if labels == [NAME]}
    assert grown["compress_texts_total"] == 2
    assert grown["compress_tokens_total"] == 21
    assert grown["compress_truncated_total"] == 1
    for what in ("tokenize", "queue", "infer"):
        assert grown[f"compress_{what}_seconds_count"] == 1
        assert grown[f"compress_{what}_seconds_sum"] >= 0
    assert grown["compress_batch_texts_sum"] == 2
    assert now["compress_waiting_texts", NAME] == now["compress_waiting_tokens", NAME] == 0


def test_paths_that_are_invented_make_no_series(client: TestClient) -> None:
    client.get("/nothing")
    before = len(metrics(client))
    for number in range(300):
        client.get(f"/nothing/{number}")
        client.get(f"/v2/models/invented-{number}")
    assert len(metrics(client)) <= before + 30  # a template more, with its histogram


def test_the_request_id_is_echoed_or_made(client: TestClient) -> None:
    assert client.get("/health", headers={"x-request-id": "abc-1"}).headers["x-request-id"] == "abc-1"
    for given in ("", "a b", "x" * 65, "é", "a\tb"):
        made = client.get("/health", headers={"x-request-id": given.encode("latin-1")}).headers[
            "x-request-id"
        ]
        assert made != given
        assert len(made) == 32
    assert "x-request-id" in client.get("/nothing").headers
    assert "x-request-id" in client.get("/health", headers={"host": "evil.example"}).headers


def test_the_log_says_what_happened_and_not_what_was_said(client: TestClient) -> None:
    LINES.clear()
    client.post("/predict?secret=word", json={"inputs": "a secret text"}, headers={"x-request-id": "abc-2"})
    client.post("/predict", json={"inputs": ["secret", "pair"]})
    first, second = LINES
    assert (first["request_id"], first["route"], first["status"], first["cause"]) == (
        "abc-2",
        "/predict",
        200,
        "ok",
    )
    assert second["cause"] == "validation"
    assert "secret" not in json.dumps(LINES)


def test_a_line_of_the_log_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    from serve.ledger import log_line

    log_line({"route": "/a\nb\u2028c", "status": 200})
    assert len(capsys.readouterr().err.splitlines()) == 1
