"""Takes the picture of a report that the docs show: the top of its page, as a person sees it first.

    .venv/bin/python benchmarks/report_picture.py runs/emotion/report.html docs/images/report.png

Needs Chromium (`make browser` installs it where it can). `--dark` and `--width 390` show it as others see it.
"""

import argparse
import shutil
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
UP_TO = "#drawings"  # the last section that is in the picture


def main(page_file: Path, target: Path, width: int, scheme: str) -> None:
    """Open the page, and write what is to be seen of it."""
    browser_path = next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
    )
    if browser_path is None:
        sys.exit("no Chromium found: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=list(QUIET))
        page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        page.goto(page_file.resolve().as_uri())
        end = page.locator(UP_TO).evaluate("part => part.getBoundingClientRect().bottom + 28")
        target.parent.mkdir(parents=True, exist_ok=True)
        clip = {"x": 0, "y": 0, "width": width, "height": end}
        page.screenshot(path=str(target), full_page=True, clip=clip)
        browser.close()


if __name__ == "__main__":
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("page", type=Path)
    asked.add_argument("target", type=Path)
    asked.add_argument("--width", type=int, default=1000)
    asked.add_argument("--dark", action="store_const", const="dark", default="light")
    given = asked.parse_args()
    main(given.page, given.target, given.width, given.dark)
