"""The real server, over real sockets."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from served import NAME, Slow, make_app, running

from serve.errors import UserError
from serve.key import Key
from serve.limits import Limits
from serve.runtime import OnnxRuntime
from serve.server import Serving, serve_bundles

ROOT = Path(__file__).parents[2]


def test_every_client_gets_its_own_answer(server: str, runtime: OnnxRuntime, texts: list[str]) -> None:
    expected = {text: runtime.predict([text])[0] for text in texts}
    asked = texts * 12
    with httpx.Client(base_url=server) as client, ThreadPoolExecutor(16) as pool:
        replies = list(pool.map(lambda text: client.post("/predict", json={"inputs": text}), asked))
    for text, reply in zip(asked, replies, strict=True):
        assert reply.status_code == 200
        best = reply.json()[0]
        assert best["label"] == expected[text].label
        assert best["score"] == pytest.approx(expected[text].score, abs=1e-6)
        assert reply.headers["x-truncated"] == str(expected[text].truncated).lower()


@pytest.mark.parametrize("size", [2_000_001, 6_000_000])
def test_a_body_over_the_limit_is_told_so(server: str, size: int) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(0, size, 50_000):
            yield b"x" * 50_000

    for content in (b"x" * size, chunks()):
        reply = httpx.post(f"{server}/predict", content=content)
        assert reply.status_code == 413
        assert reply.json()["error"] == "The body is larger than 2000000 bytes."
    assert httpx.post(f"{server}/predict", json={"inputs": "good"}).status_code == 200


def test_a_huge_promise_is_not_waited_for_long(server: str) -> None:
    where = urlsplit(server)
    with socket.create_connection((where.hostname, where.port), timeout=15) as connection:
        head = f"POST /predict HTTP/1.1\r\nHost: {where.netloc}\r\nContent-Length: 9999999999\r\n\r\n"
        connection.sendall(head.encode() + b"x" * 1000)
        assert b" 413 " in connection.recv(100)


def test_a_foreign_host_is_refused(server: str) -> None:
    assert httpx.get(f"{server}/health", headers={"host": "evil.example"}).status_code == 403


def test_what_is_sent_is_not_shown_in_the_errors(server: str) -> None:
    reply = httpx.post(f"{server}/predict", content=b'{"inputs": {"secret": 1}}')
    assert reply.status_code == 422
    assert "secret" not in reply.text


@pytest.fixture
def slow(bundle_folder: Path) -> Iterator[tuple[str, Slow]]:
    """A server whose inferences wait for an event, with room for three texts."""
    runtime = Slow(bundle_folder)
    with running(make_app(bundle_folder, [runtime], Limits(waiting_texts=3))) as url:
        yield url, runtime
        runtime.go.set()


def test_busy_server_stays_healthy_and_turns_away_what_it_cannot_queue(slow: tuple[str, Slow]) -> None:
    url, runtime = slow
    with httpx.Client(base_url=url, timeout=20) as client, ThreadPoolExecutor(8) as pool:
        waiting = [pool.submit(client.post, "/predict", json={"inputs": "good"}) for _ in range(3)]
        time.sleep(0.5)
        start = time.perf_counter()
        assert client.get("/health").status_code == 200
        assert time.perf_counter() - start < 1
        assert f'compress_waiting_texts{{model="{NAME}"}} 3.0' in client.get("/metrics").text
        for inputs in ("good", [["good"]]):  # alone or in a batch: the same rule
            refused = client.post("/predict", json={"inputs": inputs})
            assert refused.status_code == 429
            assert int(refused.headers["retry-after"]) >= 1
            assert refused.json()["error_type"] == "overloaded"
        runtime.go.set()
        assert [request.result().status_code for request in waiting] == [200] * 3
        assert runtime.most == 1
        # The places are free again.
        assert client.post("/predict", json={"inputs": "good"}).status_code == 200


def test_what_a_client_that_left_asked_for_is_not_computed(slow: tuple[str, Slow]) -> None:
    url, runtime = slow
    for _ in range(3):
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(f"{url}/predict", json={"inputs": "good"}, timeout=0.3)
    time.sleep(0.3)
    runtime.go.set()
    assert httpx.post(f"{url}/predict", json={"inputs": "good"}).status_code == 200
    assert (
        sum(runtime.answered) == 2
    )  # the first was being answered when its client left; the others never were


def test_a_client_says_how_long_it_waits(slow: tuple[str, Slow]) -> None:
    url, runtime = slow
    with httpx.Client(base_url=url, timeout=20) as client, ThreadPoolExecutor(2) as pool:
        first = pool.submit(client.post, "/predict", json={"inputs": "good"})
        time.sleep(0.2)
        brief = {"X-Request-Timeout": "0.05"}
        late = pool.submit(client.post, "/predict", json={"inputs": "good"}, headers=brief)
        time.sleep(0.3)
        runtime.go.set()
        assert (late.result().status_code, late.result().json()["error_type"]) == (504, "deadline")
        assert first.result().status_code == 200
        assert sum(runtime.answered) == 1  # the late one was not computed
        for wrong in ("0", "-1", "soon", "inf"):
            reply = client.post("/predict", json={"inputs": "good"}, headers={"X-Request-Timeout": wrong})
            assert reply.status_code == 422


def test_a_body_that_never_ends_is_given_up(bundle_folder: Path, runtime: OnnxRuntime) -> None:
    with running(make_app(bundle_folder, [runtime], Limits(body_seconds=0.3))) as url:
        where = urlsplit(url)
        with socket.create_connection((where.hostname, where.port), timeout=10) as connection:
            connection.sendall(b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{")
            assert b" 408 " in connection.recv(100)


@pytest.mark.parametrize("begun", [b"", b"POST /predict HTTP/1.1\r\nHost: local"])
def test_headers_that_never_end_are_given_up(
    bundle_folder: Path, runtime: OnnxRuntime, begun: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serve.slow_clients.HEADERS_S", 0.3)
    with running(make_app(bundle_folder, [runtime])) as url:
        where = urlsplit(url)
        with socket.create_connection((where.hostname, where.port), timeout=10) as connection:
            connection.sendall(begun)
            assert connection.recv(100) == b""  # closed
        assert httpx.post(f"{url}/predict", json={"inputs": "good"}).status_code == 200


def test_a_connection_too_many_is_told_so_and_the_others_are_answered(
    bundle_folder: Path, runtime: OnnxRuntime
) -> None:
    with running(make_app(bundle_folder, [runtime]), connections=3) as url:
        where = urlsplit(url)
        held = [socket.create_connection((where.hostname, where.port), timeout=10) for _ in range(3)]
        asked = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
        for connection in held:
            connection.sendall(asked)
            assert b" 200 " in connection.recv(1000)
        with socket.create_connection((where.hostname, where.port), timeout=10) as further:
            told = b"".join(iter(lambda: further.recv(1000), b""))
        assert b" 503 " in told.split(b"\r\n")[0]
        assert b"Too many connections" in told
        held[0].sendall(asked)
        assert b" 200 " in held[0].recv(1000)
        for connection in held:
            connection.close()
        end = time.monotonic() + 10
        while time.monotonic() < end and httpx.get(f"{url}/health").status_code != 200:
            time.sleep(0.02)
        assert httpx.get(f"{url}/health").status_code == 200  # there is room again


def test_terminated_it_says_so_first_and_ends_with_exit_code_0(
    started_server: tuple[subprocess.Popen[str], str],
) -> None:
    process, url = started_server
    assert httpx.get(f"{url}/health").status_code == 200
    process.terminate()
    time.sleep(0.3)
    # A load balancer has to see it before connections are refused; until then requests are still answered.
    assert httpx.get(f"{url}/v2/health/ready").status_code == 503
    assert httpx.get(f"{url}/v2/health/live").status_code == 200
    assert httpx.post(f"{url}/predict", json={"inputs": "good"}).status_code == 200
    assert process.wait(timeout=20) == 0
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/health")


def test_told_twice_it_does_not_wait(bundle_folder: Path) -> None:
    command = [sys.executable, "-m", "compress", "serve", str(bundle_folder), "--port", "0"]
    process = subprocess.Popen(
        [*command, "--drain-seconds", "600"],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    try:
        assert process.stdout is not None
        url = process.stdout.readline().split()[-1]
        assert httpx.get(f"{url}/health").status_code == 200  # it has begun
        process.terminate()
        time.sleep(0.1)
        process.terminate()
        assert process.wait(timeout=60) == 0  # and not the ten minutes of draining
    finally:
        process.kill()
        process.wait()


def test_terminated_it_finishes_what_it_took(started_server: tuple[subprocess.Popen[str], str]) -> None:
    process, url = started_server
    where = urlsplit(url)
    body = b'{"inputs": "a great film"}'
    with socket.create_connection((where.hostname, where.port), timeout=15) as connection:
        head = f"POST /predict HTTP/1.1\r\nHost: {where.netloc}\r\nContent-Length: {len(body)}\r\n\r\n"
        connection.sendall(head.encode() + body[:5])
        time.sleep(0.3)  # the request is in the handler now, waiting for the rest of its body
        process.terminate()
        time.sleep(0.3)
        connection.sendall(body[5:])
        assert b" 200 " in connection.recv(4000)
    assert process.wait(timeout=20) == 0


def test_what_is_in_flight_when_the_draining_ends_is_finished(bundle_folder: Path) -> None:
    command = [sys.executable, "-m", "compress", "serve", str(bundle_folder), "--port", "0", "--threads", "1"]
    with subprocess.Popen(
        [*command, "--drain-seconds", "0.1"],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    ) as process:
        assert process.stdout is not None
        where = urlsplit(process.stdout.readline().split()[-1])
        body = b'{"inputs": "a great film"}'
        with socket.create_connection((where.hostname, where.port), timeout=15) as connection:
            head = f"POST /predict HTTP/1.1\r\nHost: {where.netloc}\r\nContent-Length: {len(body)}\r\n\r\n"
            connection.sendall(head.encode() + body[:5])
            time.sleep(0.5)
            process.terminate()
            time.sleep(1.5)  # longer than the draining
            connection.sendall(body[5:])
            assert b" 200 " in connection.recv(4000)
        assert process.wait(timeout=60) == 0


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.com"])
def test_hosts_that_others_reach_need_a_word(
    bundle_folder: Path, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class ListensError(Exception):
        """It would be reached now."""

    def listen(*_: object) -> None:
        raise ListensError

    monkeypatch.setattr("serve.server.listen", listen)
    asked = Serving({"x": bundle_folder}, host=host)
    with pytest.raises(UserError, match="can be reached from other machines"):
        serve_bundles(asked)
    for allowed in (replace(asked, insecure=True), replace(asked, key=Key("k" * 16))):
        with pytest.raises(ListensError):
            serve_bundles(allowed)


def test_command_line_mistakes_are_one_message_and_exit_code_2(tmp_path: Path, bundle_folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for arguments, message in [
            ([str(tmp_path)], "is not a bundle"),
            ([str(bundle_folder), "--host", "0.0.0.0"], "other machines"),
            ([str(bundle_folder), "--port", port], "cannot listen"),
            ([str(bundle_folder), "--port", "70000"], "cannot listen"),
            ([str(bundle_folder), "--port", "0", "--threads", "0"], "0 threads"),
        ]:
            done = subprocess.run(
                [sys.executable, "-m", "serve", *arguments],
                capture_output=True,
                text=True,
                cwd=ROOT,
                check=False,
                timeout=60,  # it may listen for ever
            )
            assert done.returncode == 2, done.stderr
            assert message in done.stderr
            assert "Traceback" not in done.stderr


@pytest.mark.parametrize("taken", ["by another", "by itself", "no port"])
def test_a_port_for_grpc_that_cannot_be_had_is_told_before_anything_is_loaded(
    bundle_folder: Path, monkeypatch: pytest.MonkeyPatch, taken: str
) -> None:
    def loaded(_: object) -> None:
        raise AssertionError("the models are loaded")

    monkeypatch.setattr("serve.server.open_application", loaded)
    with socket.create_server(("127.0.0.1", 0)) as other, socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
        free.close()
        grpc_port = {"by another": other.getsockname()[1], "by itself": port, "no port": 70_000}[taken]
        with pytest.raises(UserError, match=f"port {grpc_port}") as refused:
            serve_bundles(Serving({"x": bundle_folder}, port=port, grpc_port=grpc_port))
    assert "give another --grpc-port" in str(refused.value)
