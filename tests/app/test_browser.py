"""The page in a real browser."""

import shutil
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def browser() -> Iterator["sync_api.Browser"]:
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("no chromium on this machine: apt-get install chromium")
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield started
        started.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_person_types_and_sees_both_answers(
    page_url: str, browser: "sync_api.Browser", scheme: str
) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 900}, color_scheme=scheme)
    asked: list[str] = []
    errors: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda entry: errors.append(entry.text) if entry.type == "error" else None)
    page.goto(page_url)
    sync_api.expect(page.get_by_role("heading", name="tiny-sentiment")).to_be_visible(timeout=30_000)

    page.locator("#text textarea").fill("a warm story of no plot")
    page.get_by_role("button", name="Compare").click()
    sync_api.expect(page.locator("#outcome")).to_contain_text("They disagree")
    sync_api.expect(page.locator("#teacher h2")).to_have_text("negative")
    sync_api.expect(page.locator("#student h2")).to_have_text("positive")
    sync_api.expect(page.locator("#student_timing")).to_contain_text("ms on this server")

    page.get_by_text("awful music, flat ending").click()
    sync_api.expect(page.locator("#text textarea")).to_have_value("awful music, flat ending")
    page.locator("#text textarea").press("Shift+Enter")
    sync_api.expect(page.locator("#outcome")).to_contain_text("They agree")

    page.locator("#text textarea").fill("")
    page.get_by_role("button", name="Compare").click()
    sync_api.expect(page.get_by_text("Type a text first")).to_be_visible()

    hosts = {
        urlsplit(url).hostname for url in asked if urlsplit(url).scheme in ("http", "https", "ws", "wss")
    }
    assert len(asked) > 5
    assert hosts == {"127.0.0.1"}
    assert errors == []
    page.close()


def test_a_narrow_window_has_no_sideways_scroll(page_url: str, browser: "sync_api.Browser") -> None:
    page = browser.new_page(viewport={"width": 400, "height": 800})
    page.goto(page_url)
    sync_api.expect(page.locator("#compare")).to_be_visible(timeout=30_000)
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    # What is cut off instead of scrolled would pass the line above.
    edges = page.eval_on_selector_all(
        ".proof td", "cells => cells.map(cell => cell.getBoundingClientRect().right)"
    )
    assert len(edges) == 12
    assert max(edges) <= 400
    page.close()
