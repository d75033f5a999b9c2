"""What people send who mean harm, or do not care: nothing leaks, nothing is opened, and no other page gets in."""

import http.client
import http.server
import json
import pickle
import re
import shutil
import subprocess
import sys
import threading
import time
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from playwright.sync_api import sync_playwright
from served import NAME, make_app, running

from serve.metrics import Metrics
from serve.runtime import OnnxRuntime

# Of a file system, of Python, of our modules.
INSIDE = re.compile(
    r"Traceback|File \"|site-packages|\.py\b|/(home|tmp|usr|root|work|etc)/|serve\.|numpy|starlette|onnxruntime"
)


def tensor(**more: object) -> bytes:
    """An inference request that would be answered, and what is wrong with it."""
    given = {"name": "text", "shape": [1], "datatype": "BYTES", "data": ["a film"]}
    return json.dumps({"inputs": [given], **more}).encode()


def classified(labels: int) -> dict[str, object]:
    """An output."""
    return {"name": "probabilities", "parameters": {"classification": labels}}


@pytest.fixture(scope="module")
def app(bundle_folder: Path, runtime: OnnxRuntime) -> FastAPI:
    return make_app(bundle_folder, [runtime])


@pytest.fixture(scope="module")
def client(app: FastAPI) -> Iterator[TestClient]:
    with TestClient(app, "http://localhost", raise_server_exceptions=False) as client:
        yield client


@pytest.fixture(scope="module")
def url(bundle_folder: Path, runtime: OnnxRuntime) -> Iterator[str]:
    with running(make_app(bundle_folder, [runtime])) as url:
        yield url


@pytest.mark.parametrize(
    "kind",
    [
        "application/vnd.bentoml+pickle",
        "application/octet-stream",
        "application/python-pickle",
        "multipart/form-data; boundary=x",
        "application/x-www-form-urlencoded",
        "text/plain",
    ],
)
def test_nothing_but_json_is_read(client: TestClient, tmp_path: Path, kind: str) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (Path.touch, (tmp_path / "gone off",))  # type: ignore[return-value]

    for path in ("/predict", "/", "/invocations"):
        reply = client.post(path, content=pickle.dumps(Bomb()), headers={"content-type": kind})
        assert reply.status_code == 415, (path, reply.text)
    assert client.post("/predict", content=pickle.dumps(Bomb())).status_code == 400
    assert not (tmp_path / "gone off").exists()


def test_no_part_of_the_server_unpickles() -> None:
    script = "import serve, serve.endpoint, serve.server, serve.grpc_server; import sys; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    ).stdout.split()
    assert {"serve.endpoint", "serve.server"} <= set(loaded)
    assert not {"torch", "dill", "cloudpickle", "joblib", "onnx"} & set(loaded)
    sources = (Path(__file__).parents[2] / "serve").rglob("*.py")
    assert not [
        path
        for path in sources
        if re.search(r"\bpickle\b|\bmarshal\b|(?<![.\w])(eval|exec)\(", path.read_text())
    ]


@pytest.mark.parametrize(
    "name",
    [
        "..%2f..%2fetc%2fpasswd",
        "%2e%2e",
        "..%5c..%5cwindows",
        "%2fetc%2fpasswd",
        "a%00b",
        "x" * 5_000,
        "%0d%0aSet-Cookie:%20a=b",
        "$(id)",
        '";RUN id',
    ],
)
def test_a_name_in_a_path_opens_nothing(url: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[object] = []
    watching = True

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if watching and event == "open" and "hostile-marker" not in str(arguments[0]):
            opened.append(arguments[0])

    connection = http.client.HTTPConnection(urllib.parse.urlsplit(url).netloc, timeout=20)
    connection.request("GET", "/v2/health/live")
    connection.getresponse().read()
    sys.addaudithook(hook)
    for method, path in (
        ("GET", f"/v2/models/{name}"),
        ("GET", f"/v2/models/{name}/ready"),
        ("GET", f"/v2/models/{NAME}/versions/{name}"),
        ("GET", f"/v2/models/{name}/stats"),
        ("GET", f"/v2/models/{name}/config"),
        ("POST", f"/v2/models/{name}/infer"),
        ("POST", f"/v2/repository/models/{name}/load"),
        ("GET", f"/{name}"),
    ):
        target = urllib.parse.quote(path, safe="/%$();:=")
        connection.request(method, target, body=b"{}" if method == "POST" else None)
        reply = connection.getresponse()
        body = reply.read().decode()
        assert reply.status in (400, 404, 405), (path, reply.status)
        assert reply.getheader("set-cookie") is None
        assert not INSIDE.search(body), body
    watching = False
    assert [file for file in opened if isinstance(file, str) and not file.endswith((".py", ".pyc"))] == []


@pytest.mark.parametrize(
    ("method", "path", "body", "headers"),
    [
        ("POST", "/predict", b"{", {}),
        ("POST", "/predict", b'{"inputs": 1}', {}),
        ("POST", "/predict", b'{"inputs": "\\ud800"}', {}),
        ("POST", "/predict", b"[" * 100_000, {}),
        ("POST", "/predict", b'{"inputs": "a", "top_k": -1}', {}),
        ("POST", "/predict", b"x", {"content-type": "text/plain"}),
        ("POST", "/predict", b"\x1f\x8b", {"content-encoding": "gzip"}),
        ("POST", "/predict", b"{}", {"x-request-timeout": "soon"}),
        ("POST", "/", b'{"inputs": {}}', {}),
        ("POST", f"/v2/models/{NAME}/infer", b'{"inputs": []}', {}),
        ("POST", f"/v2/models/{NAME}/infer", b"{}", {"inference-header-content-length": "99999999999"}),
        ("POST", f"/v2/models/{NAME}/infer", b"{}", {"inference-header-content-length": "-1"}),
        ("POST", f"/v2/models/{NAME}/infer", b"{}", {"inference-header-content-length": "9" * 5_000}),
        ("POST", f"/v2/models/{NAME}/infer", tensor(id="\ud800"), {}),
        ("POST", f"/v2/models/{NAME}/infer", tensor(id="x" * 257), {}),
        ("POST", f"/v2/models/{NAME}/infer", tensor(parameters={"timeout": 10**400}), {}),
        (
            "POST",
            f"/v2/models/{NAME}/infer",
            tensor(model_name="\ud800", parameters={"timeout": 10**400}),
            {},
        ),
        ("POST", f"/v2/models/{NAME}/infer", tensor(outputs=[classified(10**30)]), {}),
        ("POST", f"/v2/models/{NAME}/infer", tensor(outputs=[classified(-1)]), {}),
        ("POST", f"/v2/models/{NAME}/infer", tensor(outputs=[classified(1)] * 33), {}),
        ("POST", "/predict", b'{"inputs": "a", "\\ud800": 1}', {}),
        ("POST", "/predict", b'{"inputs": "a", "top_k": 1e999}', {}),
        ("POST", "/predict", b'{"inputs": "a", "top_k": NaN}', {}),
        ("POST", "/predict", b'{"inputs": "a", "top_k": 1%s}' % (b"0" * 5_000), {}),
        ("POST", "/predict", b'{"a":' * 50_000 + b"1" + b"}" * 50_000, {}),
        ("POST", "/predict", b'{"inputs": %s}' % json.dumps([["a"]] * 200_000).encode(), {}),
        ("POST", "/predict", b"{}", {"x-request-timeout": "9" * 5_000}),
        ("POST", "/", b'{"inputs": "a", "options": {"x": "\\udfff"}}', {}),
        ("POST", f"/v2/repository/models/{NAME}/load", b"{}", {}),
        ("GET", "/nothing", None, {}),
        ("DELETE", "/predict", None, {}),
        ("GET", "/info", None, {"host": "evil.example"}),
    ],
)
def test_errors_say_what_is_wrong_and_nothing_of_the_inside(
    client: TestClient, method: str, path: str, body: bytes | None, headers: dict[str, str]
) -> None:
    reply = client.request(method, path, content=body, headers=headers)
    assert 400 <= reply.status_code < 500
    assert len(reply.json()["error"].split()) > 1
    assert not INSIDE.search(reply.text), reply.text


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://localhost.evil.example", "file://"]
)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
def test_a_browser_is_told_no_origin_but_its_own(client: TestClient, origin: str, method: str) -> None:
    asked = {
        "origin": origin,
        "access-control-request-method": method,
        "access-control-request-headers": "content-type,authorization",
    }
    for path in ("/predict", "/", "/info", "/metrics"):
        reply = client.options(path, headers=asked)
        assert reply.status_code in (403, 405)
        assert not [name for name in reply.headers if name.startswith("access-control-")]


def test_ranges_are_nothing_to_it(client: TestClient) -> None:
    """No file is served, so no header asks for a part of one, however many parts it names."""
    flood = "bytes=" + ",".join(f"{number}-" for number in range(20_000))
    for path in ("/info", "/metrics", "/docs", "/openapi.json"):
        start = time.perf_counter()
        plain = client.get(path).status_code
        once = time.perf_counter() - start
        start = time.perf_counter()
        reply = client.get(path, headers={"range": flood})
        assert reply.status_code == plain == 200
        assert "content-range" not in reply.headers
        assert time.perf_counter() - start < 100 * once + 1


class _Page(http.server.BaseHTTPRequestHandler):
    """An empty page of another origin."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>elsewhere</title>")

    def log_message(self, *_: object) -> None:
        pass


def test_a_page_of_another_origin_gets_nothing_done(bundle_folder: Path, runtime: OnnxRuntime) -> None:
    """From a real browser: reading, posting as a web form may be posted, and with the name of another host."""
    browser_path = (
        shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    )
    if browser_path is None:
        pytest.skip("no chromium on this machine: apt-get install chromium")
    metrics = Metrics()
    elsewhere = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Page)
    threading.Thread(target=elsewhere.serve_forever, daemon=True).start()
    with running(make_app(bundle_folder, [runtime], metrics=metrics)) as url, sync_playwright() as playwright:
        rebound = url.replace("127.0.0.1", "evil.example")
        flags = ["--no-sandbox", "--host-resolver-rules=MAP evil.example 127.0.0.1"]
        browser = playwright.chromium.launch(executable_path=browser_path, args=flags)
        page = browser.new_page()
        page.goto(f"http://127.0.0.1:{elsewhere.server_address[1]}/")
        ask = """async ([url, options]) => {
            try { const reply = await fetch(url, options); return [reply.status, await reply.text()]; }
            catch (error) { return [0, ""]; } }"""
        text = json.dumps({"inputs": "a fine film"})
        plain = {"method": "POST", "mode": "no-cors", "headers": {"Content-Type": "text/plain"}, "body": text}
        for options in (
            {"method": "POST", "headers": {"Content-Type": "application/json"}, "body": text},
            plain,
            {"method": "POST", "mode": "no-cors", "body": text},
            {"method": "GET"},
        ):
            path = "/info" if options["method"] == "GET" else "/predict"
            assert page.evaluate(ask, [url + path, options]) == [0, ""]  # nothing that a script may read
        # A name that was pointed here after its page was loaded: the browser takes it for the same origin.
        found = page.goto(f"{rebound}/info")
        assert found is not None
        assert found.status == 403
        status, told = page.evaluate(ask, [f"{rebound}/predict", {**plain, "mode": "same-origin"}])
        assert status == 403
        assert "localhost" in told
        browser.close()
    elsewhere.shutdown()
    elsewhere.server_close()
    assert not metrics.registry.get_sample_value("compress_texts_total", {"model": NAME})
