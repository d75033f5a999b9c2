"""What would fill the memory or take all the time: it has an end, and others are still answered."""

import asyncio
import contextlib
import http.client
import json
import socket
import time
import urllib.parse
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import httpx
import numpy as np
import psutil
import pytest
from served import make_app, make_models, running

from serve import grpc_messages, grpc_server
from serve.limits import Limits
from serve.metrics import Metrics
from serve.runtime import OnnxRuntime

_HEAD = b"POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
_CHUNKED = _HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n"
_FIELDS = b"".join(b"x-%d: %s\r\n" % (number, b"v" * 100) for number in range(600))


@pytest.fixture(scope="module")
def url(bundle_folder: Path, runtime: OnnxRuntime) -> Iterator[str]:
    with running(make_app(bundle_folder, [runtime])) as url:
        yield url


@pytest.mark.parametrize(
    ("begun", "more"),
    [
        (_HEAD + b"X-A: ", b"a" * 65_536),
        (_HEAD, _FIELDS),
        (b"GET /", b"a" * 65_536),
        (_CHUNKED + b"1;a=", b"a" * 65_536),
        (_CHUNKED + b"0\r\n", _FIELDS),
        (_CHUNKED + b"0\r\nX-A: ", b"a" * 65_536),
    ],
    ids=["a header", "headers", "the path", "a chunk's extension", "trailers", "a trailer"],
)
def test_what_is_no_body_has_an_end(url: str, begun: bytes, more: bytes) -> None:
    """The parser copies what it has at every piece that comes: some megabytes would hold up everybody for seconds."""
    where = urllib.parse.urlsplit(url)
    with socket.create_connection((where.hostname, where.port), timeout=30) as connection:
        connection.sendall(begun)
        with pytest.raises(OSError, match=r"reset|pipe"):
            _send(connection, more, 300)


def _send(connection: socket.socket, piece: bytes, times: int) -> None:
    for _ in range(times):
        connection.sendall(piece)


def test_headers_that_are_too_large_are_told_so_and_large_ones_are_read(url: str) -> None:
    where = urllib.parse.urlsplit(url)
    with socket.create_connection((where.hostname, where.port), timeout=30) as connection:
        connection.sendall(_HEAD + b"X-A: ")
        time.sleep(0.1)
        connection.sendall(b"a" * 70_000)
        status, _, body = connection.recv(10_000).partition(b"\r\n\r\n")
    assert status.startswith(b"HTTP/1.1 431 ")
    assert json.loads(body)["error"] == "The headers are larger than 65536 bytes."
    with httpx.Client(base_url=url, headers={"x-a": "a" * 50_000}, timeout=60) as client:
        for text in ("a film", "a film " * 14_000):
            assert client.post("/predict", json={"inputs": text}).status_code == 200
        assert [client.get("/health").status_code for _ in range(4)] == [
            200
        ] * 4  # of each request for itself


def test_bodies_that_never_end_fill_no_memory_and_small_ones_pass(
    bundle_folder: Path, runtime: OnnxRuntime
) -> None:
    """However many connections begin one: what is promised is not added up, what has come is."""
    app = make_app(bundle_folder, [runtime], Limits(arriving_bytes=400_000))
    with running(app) as url, httpx.Client(base_url=url, timeout=30) as client:
        where = urllib.parse.urlsplit(url)
        large = json.dumps({"inputs": [["a film " * 10_000]] * 4})
        assert client.post("/predict", content=large).status_code == 200
        with socket.create_connection((where.hostname, where.port), timeout=30) as hanging:
            hanging.sendall(_HEAD + b"Content-Length: 1900000\r\n\r\n" + b" " * 399_990)
            time.sleep(0.3)
            refused = client.post("/predict", content=large)
            assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
            assert "large bodies" in refused.json()["error"]
            assert client.post("/predict", json={"inputs": "a film"}).status_code == 200
        for _ in range(3):  # what was refused, or left, counts no more
            time.sleep(0.1)
            assert client.post("/predict", content=large).status_code == 200


def test_a_grpc_message_is_measured_when_it_is_unpacked(bundle_folder: Path) -> None:
    async def main() -> None:
        metrics = Metrics()
        models = make_models(bundle_folder, metrics)
        server, port = await grpc_server.start(models, metrics, "127.0.0.1", 0)

        def ask(size: int) -> grpc.StatusCode:
            message = grpc_messages.MESSAGES["ModelInferRequest"](model_name="x" * size)
            with grpc.insecure_channel(
                f"127.0.0.1:{port}", [("grpc.max_send_message_length", -1)]
            ) as channel:
                infer = channel.unary_unary(
                    f"/{grpc_server.SERVICE}/ModelInfer", message.__class__.SerializeToString
                )
                with pytest.raises(grpc.RpcError) as refused:
                    infer(message, compression=grpc.Compression.Gzip, timeout=60)
            return refused.value.code()

        assert await asyncio.to_thread(ask, 1_900_000) == grpc.StatusCode.NOT_FOUND
        before = psutil.Process().memory_info().rss
        assert await asyncio.to_thread(ask, 2_100_000) == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert await asyncio.to_thread(ask, 20_000_000) == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert psutil.Process().memory_info().rss - before < 60e6
        await server.stop(0)
        await asyncio.to_thread(models.close)

    asyncio.run(main())


def test_a_body_in_crumbs_costs_no_more_memory_than_its_limit(url: str) -> None:
    before = psutil.Process().memory_info().rss
    netloc = urllib.parse.urlsplit(url).netloc
    host, port = netloc.split(":")
    crumbs = b"1\r\nx\r\n" * 50_000
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(
            f"POST /predict HTTP/1.1\r\nHost: {netloc}\r\nContent-Type: application/json\r\n"
            "Transfer-Encoding: chunked\r\n\r\n".encode()
        )
        told = b""
        try:
            for _ in range(60):  # three million crumbs
                connection.sendall(crumbs)
            connection.sendall(b"0\r\n\r\n")
        except OSError:
            pass  # it had enough
        with contextlib.suppress(OSError):
            told = connection.recv(1000)
    assert told == b"" or b" 413 " in told
    assert psutil.Process().memory_info().rss - before < 60e6


@pytest.mark.parametrize(
    "heavy",
    ["\U0001f600" * 25_000, "x" * 100_000, "\u0301" * 50_000, "\u202e" + "ab" * 40_000, "\x00" * 50_000],
    ids=["emoji", "no spaces", "combining marks", "right to left", "zeros"],
)
def test_a_text_that_is_long_to_cut_holds_up_nobody(url: str, heavy: str) -> None:
    netloc = urllib.parse.urlsplit(url).netloc

    def ask(text: str) -> tuple[int, float]:
        connection = http.client.HTTPConnection(netloc, timeout=60)
        start = time.perf_counter()
        connection.request(
            "POST", "/predict", json.dumps({"inputs": text}), {"Content-Type": "application/json"}
        )
        status = connection.getresponse().status
        connection.close()
        return status, time.perf_counter() - start

    heavy_alone = ask(heavy)[1]
    with ThreadPoolExecutor(4) as pool:
        attack = [pool.submit(ask, heavy) for _ in range(4)]
        light = [ask("a fine film") for _ in range(20)]
        attacked = [one.result()[0] for one in attack]
    assert set(attacked) <= {200, 413, 422, 429}
    assert {status for status, _ in light} == {200}
    # A light request waits for one heavy one before it at most, not for the queue of them.
    assert float(np.median([seconds for _, seconds in light])) < 4 * heavy_alone + 0.25
