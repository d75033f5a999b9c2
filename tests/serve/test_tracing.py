"""Traces, as a collector gets them: OTLP over HTTP from the real server, parsed."""

import gzip
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from served import NAME, make_app, make_models

from serve.endpoint import Settings, create_app
from serve.metrics import Metrics
from serve.tracing import Tracing, open_tracing

ROOT = Path(__file__).parents[2]
CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
SECRET = "a secret good film"
pytest.importorskip("opentelemetry.sdk", reason="the extra otel is not installed")
pytest.importorskip("opentelemetry.exporter.otlp.proto.http", reason="the extra otel is not installed")


class Collector:
    """Takes what is sent to /v1/traces."""

    def __init__(self) -> None:
        self.spans: list[Any] = []
        self.services: set[str] = set()
        self.raw = b""

    def take(self, path: str, body: bytes) -> None:
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

        assert path == "/v1/traces"
        self.raw += body
        for of_resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            self.services |= {
                one.value.string_value for one in of_resource.resource.attributes if one.key == "service.name"
            }
            for scope in of_resource.scope_spans:
                self.spans += scope.spans

    def named(self, name: str) -> list[Any]:
        return [span for span in self.spans if span.name == name]


@contextmanager
def collecting() -> Iterator[tuple[str, Collector]]:
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            collector.take(self.path, body)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", collector
    finally:
        server.shutdown()
        server.server_close()


def attributes(span: Any) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in span.attributes}


def started(bundle: Path, endpoint: str) -> tuple[subprocess.Popen[str], str]:
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "compress",
            "serve",
            str(bundle),
            "--port=0",
            "--threads=1",
            "--drain-seconds=0",
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1", "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint},
        cwd=ROOT,
    )
    assert process.stdout is not None
    return process, process.stdout.readline().rpartition(" ")[2].strip()


@pytest.fixture(scope="module")
def collected(bundle_folder: Path) -> Collector:
    """What a server sent that was asked a few things and told to end: nothing may be left behind."""
    with collecting() as (endpoint, collector):
        process, url = started(bundle_folder, endpoint)
        texts = {"inputs": [[SECRET], ["dull"]]}
        httpx.post(f"{url}/predict", json=texts, headers={"traceparent": CALLER, "x-request-id": "mine"})
        httpx.post(f"{url}/predict", json={"inputs": 7}, headers={"traceparent": "nonsense"})
        httpx.get(f"{url}/nothing/{SECRET}")
        for path in ("/health", "/v2/health/ready", "/metrics"):
            httpx.get(url + path)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0
    return collector


def test_a_request_is_a_span_on_the_callers_trace(collected: Collector) -> None:
    asked, refused = sorted(collected.named("POST /predict"), key=lambda span: span.start_time_unix_nano)
    assert asked.trace_id.hex() == CALLER.split("-")[1]
    assert asked.parent_span_id.hex() == CALLER.split("-")[2]
    assert attributes(asked) == {
        "http.request.method": "POST",
        "http.route": "/predict",
        "http.response.status_code": 200,
        "compress.cause": "ok",
        "compress.request_id": "mine",
        "compress.model": NAME,
        "compress.items": 2,
        "compress.tokens": 9,
    }
    assert refused.parent_span_id == b""
    assert attributes(refused)["http.response.status_code"] == 422
    assert attributes(refused)["compress.cause"] == "validation"
    assert collected.services == {"compress-serve"}


def test_its_children_are_its_steps_one_after_the_other(collected: Collector) -> None:
    asked = min(collected.named("POST /predict"), key=lambda span: span.start_time_unix_nano)
    children = [span for span in collected.spans if span.parent_span_id == asked.span_id]
    children.sort(key=lambda span: (span.start_time_unix_nano, span.end_time_unix_nano))
    assert [span.name for span in children] == ["tokenize", "queue", "infer"]
    times = [asked.start_time_unix_nano]
    for span in children:
        times += [span.start_time_unix_nano, span.end_time_unix_nano]
        assert span.trace_id == asked.trace_id
        assert attributes(span)["compress.model"] == NAME
    assert [*times, asked.end_time_unix_nano] == sorted([*times, asked.end_time_unix_nano])


def test_probes_leave_no_traces_and_texts_are_in_none(collected: Collector) -> None:
    assert {span.name for span in collected.spans} == {
        "POST /predict",
        "GET other",
        "tokenize",
        "queue",
        "infer",
    }
    assert b"secret" not in collected.raw


def test_a_collector_that_is_away_costs_no_answer_and_no_long_end(bundle_folder: Path) -> None:
    process, url = started(bundle_folder, "http://127.0.0.1:9")
    try:
        for _ in range(50):
            assert httpx.post(f"{url}/predict", json={"inputs": "good"}).status_code == 200
        process.send_signal(signal.SIGTERM)
        begun = time.monotonic()
        assert process.wait(timeout=60) == 0
        assert time.monotonic() - begun < 50
    finally:
        process.kill()


@pytest.fixture
def kept() -> Iterator[tuple[Tracing, Any]]:
    """Traces that stay in memory."""
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    yield Tracing(provider), exporter
    provider.shutdown()


def test_grpc_is_traced_alike(bundle_folder: Path, kept: tuple[Tracing, Any]) -> None:
    import asyncio

    import numpy as np
    import tritonclient.grpc.aio as client
    from tritonclient.utils import InferenceServerException

    from serve.grpc_server import start

    traces, exporter = kept

    async def ask() -> None:
        metrics = Metrics()
        models = make_models(bundle_folder, metrics)
        models.is_ready = True
        server, port = await start(models, metrics, "127.0.0.1", 0, traces=traces)
        asked = client.InferenceServerClient(f"127.0.0.1:{port}")
        text = client.InferInput("text", [1], "BYTES")
        text.set_data_from_numpy(np.array([SECRET], dtype=object))
        await asked.infer(NAME, [text], headers={"traceparent": CALLER})
        with pytest.raises(InferenceServerException):
            await asked.infer("nobody", [text])
        assert await asked.is_server_live()
        await asked.close()
        await server.stop(5)
        await asyncio.to_thread(models.close)

    asyncio.run(ask())
    found = [span for span in exporter.get_finished_spans() if span.name.endswith("/ModelInfer")]
    assert [span.attributes["rpc.grpc.status_code"] for span in found] == [0, 5]
    assert f"{found[0].context.trace_id:032x}" == CALLER.split("-")[1]
    steps = [span.name for span in exporter.get_finished_spans() if span.parent == found[0].context]
    assert steps == ["tokenize", "queue", "infer"]
    assert len(exporter.get_finished_spans()) == 5


@pytest.mark.parametrize(("beside", "steps"), [("cascade", 3), ("shadow", 0)])
def test_a_teacher_is_in_the_trace_where_it_gives_the_answer(
    bundle_folder: Path, kept: tuple[Tracing, Any], beside: str, steps: int
) -> None:
    from fastapi.testclient import TestClient

    from serve.teacher import Cascade, Shadow

    traces, exporter = kept
    metrics = Metrics()
    models = make_models(bundle_folder, metrics)
    teacher = make_models(bundle_folder, metrics, names=("teacher",)).first
    if beside == "cascade":
        models.first.cascade = Cascade(teacher, 1.0, metrics.registry)
    else:
        models.first.shadow = Shadow(teacher, 1.0, metrics.registry)
    with TestClient(create_app(models, metrics, Settings(traces=traces)), "http://localhost") as http:
        http.post("/predict", json={"inputs": "good"})
        end = time.monotonic() + 20
        while not teacher.counts.requests and time.monotonic() < end:
            time.sleep(0.01)
    assert teacher.counts.requests == 1
    teacher.close()
    answered = [span.attributes["compress.model"] for span in exporter.get_finished_spans()]
    assert answered.count("teacher") == steps
    assert answered.count(NAME) == 4


def test_a_failure_of_the_server_is_one_in_the_trace(bundle_folder: Path, kept: tuple[Tracing, Any]) -> None:
    from fastapi.testclient import TestClient
    from opentelemetry.trace import StatusCode

    class Broken:
        def tokens(self, _: object) -> list[Any]:
            raise RuntimeError("inside")

        def answers_of(self, _: object) -> list[Any]:
            return []

    traces, exporter = kept
    app = make_app(bundle_folder, [Broken()], settings=Settings(traces=traces))
    with TestClient(app, "http://localhost", raise_server_exceptions=False) as http:
        assert http.post("/predict", json={"inputs": "good"}).status_code == 500
        (span,) = exporter.get_finished_spans()
    assert span.status.status_code is StatusCode.ERROR
    assert "inside" not in span.to_json()


def test_without_a_collector_nothing_is_traced() -> None:
    assert open_tracing({}) is None
    assert open_tracing({"OTEL_SERVICE_NAME": "x", "OTEL_EXPORTER_OTLP_ENDPOINT": ""}) is None
