"""Takes the picture of the demo that the README shows.

    .venv/bin/python benchmarks/screenshot.py runs/sst2/bundle docs/images/demo.png

Needs Chromium (`make browser` installs it where it can). Types a text, waits for both answers, takes the page.
"""

import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-sync",
)
TEXT = "a bit slow in the middle, but the actors make it worth your while"


def main(bundle: Path, target: Path, teacher: str | None) -> None:
    """Start the demo on a free port, look at it, stop it."""
    browser_path = next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
    )
    if browser_path is None:
        sys.exit("no Chromium found: apt-get install chromium")
    command = [str(Path(sys.executable).parent / "compress"), "demo", str(bundle), "--port", "0"]
    if teacher is not None:
        command += ["--teacher", teacher]
    demo = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert demo.stdout is not None
    try:
        found = re.search(r"http://\S+", demo.stdout.readline())
        assert found, "the demo did not start"
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=browser_path, args=list(QUIET))
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            page.goto(found[0])
            page.get_by_label("Text").fill(TEXT)
            page.get_by_role("button", name="Compare").click()
            page.get_by_text("median of").first.wait_for()
            target.parent.mkdir(parents=True, exist_ok=True)
            page.screenshot(path=str(target), full_page=True)
            browser.close()
    finally:
        demo.send_signal(signal.SIGTERM)
        demo.wait(timeout=30)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3] if len(sys.argv) > 3 else None)
