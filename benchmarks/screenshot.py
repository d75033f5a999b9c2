"""Takes a picture of each tab of the demo, light, dark and as a phone shows it.

    .venv/bin/python benchmarks/screenshot.py runs/sst2/bundle pictures --teacher runs/sst2/stages/teacher-...

Needs Chromium (`make browser` installs it where it can). With `--live` an endpoint on the same bundle is started, so
that its tab is there too. The README's pictures are `compare-light.png` and `disagreements-light.png`, taken without.
"""

import argparse
import csv
import json
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from serve.bundle import read
from serve.client import Endpoint

QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-sync",
)
FIRST = 40  # rows of the bundle, of which files and requests are made
TALLEST = 1450  # of a page with many rows, its beginning
LOOKS = {
    "light": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "light"},
    "dark": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "dark"},
    "phone": {"viewport": {"width": 390, "height": 844}, "color_scheme": "light"},
}


def main(bundle: Path, folder: Path, teacher: str | None, *, live: bool) -> None:
    """Start the demo, and with `live` an endpoint, on free ports, look at every tab, stop them."""
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        sys.exit("no Chromium found: apt-get install chromium")
    folder.mkdir(parents=True, exist_ok=True)
    arguments = ["demo", str(bundle), *(["--teacher", teacher] if teacher else [])]
    texts = texts_of(bundle)
    with ExitStack() as running:
        endpoint = None
        if live:
            serving = started("serve", str(bundle), "--workers", "1", "--threads", "1")
            endpoint = running.enter_context(serving)
            arguments += ["--endpoint", endpoint]
        demo = running.enter_context(started(*arguments))
        playwright = running.enter_context(sync_playwright())
        browser = playwright.chromium.launch(executable_path=path, args=list(QUIET))
        for name, look in LOOKS.items():
            page = browser.new_page(**look)
            page.set_default_timeout(300_000)  # until the student has answered all rows
            page.goto(demo)
            take(page, endpoint, texts, lambda tab, name=name: folder / f"{tab}-{name}.png")
            page.close()
        browser.close()
    for picture in sorted(folder.glob("*.png")):
        print(f"{picture}  {picture.stat().st_size / 1000:.0f} kB")


@contextmanager
def started(command: str, *arguments: str) -> Iterator[str]:
    """A command of ours that listens on a free port; its address."""
    program = [sys.executable, "-m", "compress", command, *arguments, "--port", "0"]
    process = subprocess.Popen(program, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        found = re.search(r"http://\S+", process.stdout.readline())
        assert found, f"compress {command} did not start"
        yield found[0]
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)


def texts_of(bundle: Path) -> list[dict[str, str]]:
    """The texts of the first test rows, by their names."""
    lines = (bundle / "evaluation.jsonl").read_text(encoding="utf-8").splitlines()[:FIRST]
    rows = [json.loads(line) for line in lines]
    if read(bundle).manifest.answering.EMBEDS:  # texts without a partner are compared with the next one
        rows = [
            {"text_pair": after["text"]} | row for row, after in zip(rows, [*rows[1:], rows[0]], strict=True)
        ]
    return [{name: row[name] for name in ("text", "text_pair") if name in row} for row in rows]


def take(
    page: Page, endpoint: str | None, texts: list[dict[str, str]], target: Callable[[str], Path]
) -> None:
    """Every tab, each with something in it."""
    page.locator("#examples a").first.wait_for()
    # Only when all rows are answered are the examples those that lie furthest apart.
    page.get_by_role("tab", name="Disagreements").click()
    page.get_by_text("in the report").or_(page.get_by_text("the report says")).wait_for()
    shoot(page, target("disagreements"))

    page.get_by_role("tab", name="Compare").click()
    page.locator("#examples a").first.click()
    page.locator("#words .attribution").wait_for()
    shoot(page, target("compare"))

    page.get_by_role("tab", name="Batch").click()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "texts.csv"
        with file.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, list(texts[0]))
            writer.writeheader()
            writer.writerows(texts)
        page.locator("#file input[type=file]").set_input_files(file)
        page.locator("#file").get_by_text("texts", exact=True).wait_for()
        page.get_by_role("button", name="Answer the file").click()
        page.get_by_text(f"{len(texts)} rows answered").wait_for()
    shoot(page, target("batch"))

    if endpoint is not None:
        page.get_by_role("tab", name="Live").click()
        client = Endpoint(endpoint)
        for number in range(120):
            asked = tuple(texts[number % len(texts)].values())
            client.predict([asked if len(asked) > 1 else asked[0]] * (1 + number % 9))
            page.wait_for_timeout(60)
        page.locator("#live svg").wait_for()
        shoot(page, target("live"))

    page.get_by_role("tab", name="Figures").click()
    page.get_by_text("Thresholds").wait_for()
    shoot(page, target("figures"))


def shoot(page: Page, target: Path) -> None:
    """The page, once what moves has come to rest."""
    page.wait_for_timeout(400)
    height = min(TALLEST, page.evaluate("document.documentElement.scrollHeight"))
    page.screenshot(
        path=str(target),
        full_page=True,
        clip={"x": 0, "y": 0, "width": page.viewport_size["width"], "height": height},
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundle", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--teacher", help="a model folder or a bundle, to answer live")
    parser.add_argument("--live", action="store_true", help="start an endpoint, too")
    given = parser.parse_args()
    main(given.bundle, given.folder, given.teacher, live=given.live)
