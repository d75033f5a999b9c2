"""What the tests of the page share."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

import serve
from app.evaluation import read_rows
from app.launch import Reach, launch
from app.page import build_page
from app.rows import Row
from app.subject import Subject, subject
from serve.runtime import OnnxRuntime

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

WAIT = 20_000  # milliseconds
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def student(bundle_folder: Path) -> OnnxRuntime:
    """The student of the tiny bundle."""
    return serve.load(bundle_folder, threads=1)


@pytest.fixture(scope="session")
def rows(bundle_folder: Path) -> list[Row]:
    """The stored rows, with the teacher's answers."""
    return read_rows(bundle_folder / "evaluation.jsonl")


@pytest.fixture(scope="session")
def about(student: OnnxRuntime, report: dict[str, Any], rows: list[Row]) -> Subject:
    """The tiny bundle, with the teacher's stored answers."""
    return subject("tiny-sentiment", report, rows, student)


@pytest.fixture(scope="session")
def page_url(about: Subject) -> Iterator[str]:
    """A real page with the stored teacher, on a free port."""
    page = build_page(about)
    yield launch(page, Reach(port=0))
    about.rows.stop()
    page.close(verbose=False)


# Not for the session: while it is there its event loop runs in this thread, and other tests start their own.
@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    """A real browser; skips where there is none."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("no chromium on this machine: apt-get install chromium")
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield started
        started.close()


@pytest.fixture
def opened(browser: "Browser") -> Iterator["Page"]:
    """A page whose errors and whose requests to elsewhere fail the test."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.set_default_timeout(WAIT)
    asked: list[str] = []
    errors: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda entry: errors.append(entry.text) if entry.type == "error" else None)
    yield page
    context.close()
    hosts = {
        urlsplit(url).hostname for url in asked if urlsplit(url).scheme in ("http", "https", "ws", "wss")
    }
    assert len(asked) > 5
    assert hosts == {"127.0.0.1"}
    assert errors == []
