"""The page answers its named endpoints, and keeps strangers out."""

import csv
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from gradio import networking
from gradio_client import Client, handle_file

from app.launch import Reach, launch
from app.page import build_page
from app.rows import Row
from app.subject import Subject, subject
from serve.errors import UserError
from serve.runtime import OnnxRuntime

ROOT = Path(__file__).parents[2]
NAMED = ["/batch", "/classify", "/compare", "/disagreements", "/weigh"]


@pytest.fixture(scope="module")
def client(page_url: str, tmp_path_factory: pytest.TempPathFactory) -> Client:
    return Client(page_url, verbose=False, download_files=str(tmp_path_factory.mktemp("downloads")))


def test_a_client_gets_both_answers(client: Client, student: OnnxRuntime) -> None:
    found = client.predict("a warm story of no plot", api_name="/compare")
    assert found["teacher"]["label"] == "negative"
    assert found["teacher"]["probabilities"]["negative"] == pytest.approx(0.69)
    assert found["teacher_is_stored"] is True
    (own,) = student.predict(["a warm story of no plot"])
    assert found["student"]["label"] == own.label == "positive"
    assert found["student"]["probabilities"] == pytest.approx(own.probabilities)
    assert found["student"]["tokens"] == own.tokens == 8
    assert found["student"]["p50_ms"] > 0
    assert found["agree"] is False
    assert found["largest_change"]["label"] == "positive"
    assert found["row"] == 5


def test_a_client_classifies_and_weighs(client: Client, student: OnnxRuntime) -> None:
    found = client.predict(text="a dull film", api_name="/classify")
    assert found["label"] == "negative"
    assert found["probabilities"] == pytest.approx(student.predict(["a dull film"])[0].probabilities)
    weighed = client.predict("a dull film", api_name="/weigh")
    assert (weighed["label"], weighed["teacher"]) == ("negative", None)
    assert max(weighed["student"], key=lambda piece: piece["weight"])["text"] == "dull"


def test_a_client_reads_the_disagreements(client: Client) -> None:
    found = client.predict(api_name="/disagreements")
    assert found["count"] == 2
    assert [row["id"] for row in found["rows"]] == [7, 5]
    wrong = client.predict(kind="teacher_wrong", search="STALE", api_name="/disagreements")
    assert [row["text"] for row in wrong["rows"]] == ["stale and grim and silly"]
    assert (wrong["rows"][0]["label"], wrong["rows"][0]["teacher"]["label"]) == ("negative", "positive")
    assert client.predict(kind="all", limit=3, api_name="/disagreements")["count"] == 8


def test_a_client_answers_a_file(client: Client, tmp_path: Path) -> None:
    source = tmp_path / "films.csv"
    source.write_text("note,film\n=cmd(),a warm story of no plot\nplain,great film\n")
    path, counted = client.predict(handle_file(source), "film", api_name="/batch")
    with Path(path).open(encoding="utf-8", newline="") as stream:
        found = list(csv.DictReader(stream))
    assert [row["student_label"] for row in found] == ["positive", "positive"]
    assert [row["agree"] for row in found] == ["false", ""]
    assert found[0]["note"] == "'=cmd()"
    assert (counted["rows"], counted["compared"], counted["agreed"]) == (2, 1, 0)


def test_the_named_endpoints_are_all_there_is(client: Client) -> None:
    endpoints = client.view_api(return_format="dict", print_info=False)
    assert sorted(endpoints["named_endpoints"]) == NAMED
    assert not endpoints["unnamed_endpoints"]


@pytest.mark.parametrize("name", ["/compare", "/classify", "/weigh"])
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("  \n", "Found no text; expected something to read. To do: type a text first"),
        ("x" * 5001, "5,001 characters"),
        ("half \\ud83c", "surrogate"),
    ],
)
def test_mistakes_are_told_in_our_words(client: Client, name: str, text: str, message: str) -> None:
    with pytest.raises(Exception, match=message) as caught:
        client.predict(text.replace("\\ud83c", "\ud83c"), api_name=name)
    assert "Traceback" not in str(caught.value)


def test_a_bad_file_and_a_bad_name_are_told_in_our_words(client: Client, tmp_path: Path) -> None:
    source = tmp_path / "films.csv"
    source.write_text("a,b\n1,2\n")
    with pytest.raises(Exception, match=r"films\.csv has the columns 'a', 'b'") as caught:
        client.predict(handle_file(source), "", api_name="/batch")
    assert "/gradio" not in str(caught.value)
    with pytest.raises(Exception, match="choose one first"):
        client.predict(None, "", api_name="/batch")
    source.write_bytes(b"text\n" + b"x" * 2_000_000)
    with pytest.raises(Exception, match=r"2000000|exceeds|too large"):
        client.predict(handle_file(source), "", api_name="/batch")
    with pytest.raises(Exception, match="one of all, differ"):
        client.predict(kind="any", api_name="/disagreements")


@pytest.mark.parametrize(
    "headers", [{"host": "evil.example"}, {"origin": "http://evil.example"}, {"sec-fetch-site": "cross-site"}]
)
def test_other_sites_are_refused(page_url: str, headers: dict[str, str]) -> None:
    assert httpx.get(page_url).status_code == 200
    for path in ("/", "/config", "/gradio_api/info", "/gradio_api/file=/etc/passwd", "/theme.css"):
        assert httpx.get(page_url + path, headers=headers).status_code == 403
    for path in ("call/compare", "upload", "queue/join"):
        reply = httpx.post(f"{page_url}/gradio_api/{path}", json={"data": ["a"]}, headers=headers)
        assert reply.status_code == 403


@pytest.mark.parametrize(
    "path",
    [
        "file=/etc/passwd",
        "file=pyproject.toml",
        "file=http://127.0.0.1:22/",
        "file=../etc/passwd",
        "file=..%2f..%2fetc%2fpasswd",
        "file=app/page.py",
        "proxy=http://127.0.0.1:22/",
    ],
)
def test_no_file_of_the_server_and_nobody_behind_it_can_be_reached(page_url: str, path: str) -> None:
    reply = httpx.get(f"{page_url}/gradio_api/{path}")
    assert reply.status_code in (400, 403, 404)
    assert "root:" not in reply.text
    for static in ("/static/../../../etc/passwd", "/static/..%2f..%2f..%2fetc%2fpasswd"):
        assert httpx.get(page_url + static).status_code in (400, 403, 404)


def test_a_flood_of_ranges_costs_little(page_url: str, client: Client, tmp_path: Path) -> None:
    """Ranges without end were once parsed in quadratic time (CVE-2025-62727)."""
    source = tmp_path / "films.csv"
    source.write_text("text\n" + "a good film\n" * 600)
    path, _ = client.predict(handle_file(source), "", api_name="/batch")
    assert Path(path).stat().st_size > 5_000
    uploaded = httpx.post(f"{page_url}/gradio_api/upload", files={"files": source.open("rb")}).json()[0]
    for flood in (
        "bytes=" + ",".join(f"{number}-{number}" for number in range(6000)),
        "bytes=-",
        "bytes=a-b",
    ):
        start = time.perf_counter()
        reply = httpx.get(f"{page_url}/gradio_api/file={uploaded}", headers={"range": flood}, timeout=30)
        assert (reply.status_code, reply.text) == (200, source.read_text())
        assert time.perf_counter() - start < 10
    part = httpx.get(f"{page_url}/gradio_api/file={uploaded}", headers={"range": "bytes=0-3"})
    assert (part.status_code, part.text) == (206, "text")


def test_a_shared_page_answers_to_the_name_of_its_tunnel(
    student: OnnxRuntime, report: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(networking, "setup_tunnel", lambda *_, **__: "https://abc.gradio.live")
    page = build_page(subject("t", report, [], student))
    assert launch(page, Reach(port=0, share=True)) == "https://abc.gradio.live"
    local = page.local_url
    assert httpx.get(local, headers={"host": "abc.gradio.live"}).status_code == 200
    assert httpx.get(local, headers={"origin": "http://evil.example"}).status_code == 403
    page.close(verbose=False)


@pytest.fixture
def reached(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every host that this process connects to or looks up."""
    found: list[str] = []
    connect, resolve = socket.socket.connect, socket.getaddrinfo

    def watched(self: socket.socket, address: Any) -> None:
        found.append(str(address[0]))
        connect(self, address)

    def resolved(host: Any, *rest: Any, **more: Any) -> Any:
        found.append(str(host))
        return resolve(host, *rest, **more)

    monkeypatch.setattr(socket.socket, "connect", watched)
    monkeypatch.setattr(socket, "getaddrinfo", resolved)
    return found


def test_no_address_is_fetched_in_place_of_a_file(page_url: str, client: Client, reached: list[str]) -> None:
    """Gradio would fetch what is public, and hand it on."""
    for path in (
        "file=https://example.com/a",
        "FILE=HTTPS://example.com/a",
        "file=https:%2f%2fexample.com/a",
    ):
        assert httpx.get(f"{page_url}/gradio_api/{path}").status_code in (403, 404)
    meta = {"_type": "gradio.FileData"}
    address = {"path": "https://example.com/a.csv", "url": "https://example.com/a.csv", "meta": meta}
    for name, arguments in [("/batch", [address, ""]), ("/classify", [address]), ("/compare", [address])]:
        with pytest.raises(Exception, match="expected an uploaded file"):
            client.predict(*arguments, api_name=name)
    assert set(reached) <= {"127.0.0.1", "localhost"}


def test_nothing_is_asked_of_other_machines_and_nobody_is_shared_with(
    student: OnnxRuntime, report: dict[str, Any], rows: list[Row], reached: list[str]
) -> None:
    page = build_page(subject("t", report, rows, student))
    url = launch(page, Reach(port=0))
    assert httpx.get(url).status_code == 200
    assert page.share_url is None
    assert page.analytics_enabled is False
    assert page.run_history is False
    page.close(verbose=False)
    assert reached
    assert set(reached) <= {"127.0.0.1", "localhost"}


def test_addresses_are_checked(about: Subject) -> None:
    page = build_page(about)
    with pytest.raises(UserError, match="other machines"):
        launch(page, Reach(host="0.0.0.0"))
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(UserError, match="cannot listen"):
        launch(page, Reach(port=taken.getsockname()[1]))


def test_command_line_shows_a_page_and_ends_when_told(bundle_folder: Path, tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "app", str(bundle_folder), "--port", "0"],
        stderr=subprocess.PIPE, text=True, cwd=ROOT, env={**os.environ, "TMPDIR": str(tmp_path)},
    )  # fmt: skip
    assert process.stderr is not None
    line = process.stderr.readline()
    try:
        assert "http://127.0.0.1:" in line, line + process.stderr.read()
        url = line.split(" on ")[-1].strip()
        assert "tiny-sentiment" in httpx.get(url).text
        httpx.post(
            f"{url}/gradio_api/upload", files={"files": ("a.csv", b"text\nprivate\n")}
        ).raise_for_status()
        (kept,) = tmp_path.glob("compress-demo-*")
        assert kept.stat().st_mode & 0o077 == 0, "others may read what people upload"
        assert [path.read_text() for path in kept.rglob("a.csv")] == ["text\nprivate\n"]
    finally:
        process.terminate()
    assert process.wait(timeout=20) == 0
    assert not list(tmp_path.glob("compress-demo-*"))


def test_command_line_refuses_what_is_no_bundle(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "app", str(tmp_path)], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 2
    assert "is not a bundle" in done.stderr
    assert "Traceback" not in done.stderr
