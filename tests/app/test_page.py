"""The page answers its named endpoint, and keeps strangers out."""

import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr
import httpx
import pytest
from gradio_client import Client

from app.evaluation import Row
from app.launch import launch
from app.page import MAX_CHARACTERS, Comparer, build_page
from serve.errors import UserError
from serve.runtime import OnnxRuntime
from serve.tasks import Answer, Classification

ROOT = Path(__file__).parents[2]


class Contrary:
    """A teacher that always says the opposite, surely."""

    def predict(self, inputs: Sequence[str]) -> list[Answer]:
        """Always negative."""
        return [
            Classification("negative", {"negative": 1.0, "positive": 0.0}, 3, truncated=False) for _ in inputs
        ]


def test_a_client_gets_both_answers(page_url: str, student: OnnxRuntime) -> None:
    client = Client(page_url, verbose=False)
    taught, stored, learnt, timing, outcome = client.predict("a warm story of no plot", api_name="/compare")
    assert taught["label"] == "negative"
    assert taught["confidences"][0]["confidence"] == pytest.approx(0.69)
    (own,) = student.predict(["a warm story of no plot"])
    assert learnt["label"] == own.label == "positive"
    assert learnt["confidences"][0]["confidence"] == pytest.approx(own.score)
    assert "Stored answer" in stored
    assert "34.24 ms" in stored
    assert " ms</b> on this server, median of 9" in timing
    assert "They disagree" in outcome


def test_only_the_comparison_is_a_public_endpoint(page_url: str) -> None:
    endpoints = Client(page_url, verbose=False).view_api(return_format="dict", print_info=False)
    assert list(endpoints["named_endpoints"]) == ["/compare"]
    assert not endpoints["unnamed_endpoints"]


@pytest.mark.parametrize(
    ("text", "message"),
    [("", "Type a text first"), ("  \n", "Type a text first"), ("x" * 5001, "5,001 characters")],
)
def test_mistakes_are_told_in_our_words(page_url: str, text: str, message: str) -> None:
    assert MAX_CHARACTERS == 5000
    with pytest.raises(Exception, match=message):
        Client(page_url, verbose=False).predict(text, api_name="/compare")


def test_a_live_teacher_answers_any_text(
    student: OnnxRuntime, report: dict[str, Any], rows: list[Row]
) -> None:
    comparer = Comparer(student, Contrary(), report, rows)
    taught, timing, learnt, _, outcome = comparer.compare("a great film never stored")
    assert taught == {"negative": 1.0, "positive": 0.0}
    assert "on this server" in timing
    assert learnt is not None
    assert "They disagree" in outcome
    assert f"{100 * learnt['positive']:+.1f} points for <b>positive</b>" in outcome


def test_without_a_teacher_a_new_text_says_what_to_do(
    student: OnnxRuntime, report: dict[str, Any], rows: list[Row]
) -> None:
    taught, note, learnt, _, outcome = Comparer(student, None, report, rows).compare(
        "a great film never stored"
    )
    assert taught is None
    assert "--teacher MODEL" in note
    assert learnt is not None
    assert "no answer of the teacher" in outcome


def test_a_cut_text_is_warned_about(student: OnnxRuntime, report: dict[str, Any]) -> None:
    note = Comparer(student, None, report, []).compare("film " * 40)[3]
    assert "Only the first 16 tokens were read" in note
    assert "Only the first" not in Comparer(student, None, report, []).compare("film")[3]


def test_what_the_models_cannot_answer_is_no_traceback(student: OnnxRuntime, report: dict[str, Any]) -> None:
    with pytest.raises(gr.Error, match="surrogate"):
        Comparer(student, None, report, []).compare("half \ud83c")


@pytest.mark.parametrize(
    "headers", [{"host": "evil.example"}, {"origin": "http://evil.example"}, {"sec-fetch-site": "cross-site"}]
)
def test_other_sites_are_refused(page_url: str, headers: dict[str, str]) -> None:
    assert httpx.get(page_url).status_code == 200
    for path in ("/", "/config", "/gradio_api/info"):
        assert httpx.get(page_url + path, headers=headers).status_code == 403
    reply = httpx.post(f"{page_url}/gradio_api/call/compare", json={"data": ["a"]}, headers=headers)
    assert reply.status_code == 403


@pytest.mark.parametrize("path", ["/etc/passwd", "pyproject.toml", "http://127.0.0.1:22/", "../etc/passwd"])
def test_no_file_of_the_server_can_be_read(page_url: str, path: str) -> None:
    assert httpx.get(f"{page_url}/gradio_api/file={path}").status_code in (403, 404)


def test_nothing_is_asked_of_other_machines(
    student: OnnxRuntime, report: dict[str, Any], rows: list[Row], monkeypatch: pytest.MonkeyPatch
) -> None:
    reached = []
    connect = socket.socket.connect

    def watched(self: socket.socket, address: Any) -> None:
        reached.append(address)
        connect(self, address)

    resolve = socket.getaddrinfo

    def resolved(host: Any, *rest: Any, **more: Any) -> Any:
        reached.append((host, 0))
        return resolve(host, *rest, **more)

    monkeypatch.setattr(socket.socket, "connect", watched)
    monkeypatch.setattr(socket, "getaddrinfo", resolved)
    page = build_page(student, None, report, rows)
    url = launch(page, port=0)
    httpx.get(url)
    page.close(verbose=False)
    assert reached
    assert {str(address[0]) for address in reached} <= {"127.0.0.1", "localhost"}


def test_addresses_are_checked(student: OnnxRuntime, report: dict[str, Any]) -> None:
    page = build_page(student, None, report, [])
    with pytest.raises(UserError, match="other machines"):
        launch(page, host="0.0.0.0")
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(UserError, match="cannot listen"):
        launch(page, port=taken.getsockname()[1])


def test_command_line_shows_a_page_and_ends_when_told(bundle_folder: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "app", str(bundle_folder), "--port", "0"],
        stderr=subprocess.PIPE, text=True, cwd=ROOT, env=dict(os.environ),
    )  # fmt: skip
    assert process.stderr is not None
    line = process.stderr.readline()
    try:
        assert "http://127.0.0.1:" in line, line + process.stderr.read()
        assert "tiny-sentiment" in httpx.get(line.split(" on ")[-1].strip()).text
    finally:
        process.terminate()
    assert process.wait(timeout=20) == 0


def test_command_line_refuses_what_is_no_bundle(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "app", str(tmp_path)], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 2
    assert "is not a bundle" in done.stderr
    assert "Traceback" not in done.stderr
