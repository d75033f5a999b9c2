"""How soon the demo can be used, with many test rows, and what a comparison costs beyond the models' own time.

    .venv/bin/python benchmarks/demo_speed.py runs/sst2/bundle --rows 5000

The bundle's test rows are repeated until there are as many, in a copy. Needs Chromium. Measure on a quiet machine.
"""

import argparse
import json
import shutil
import statistics
import sys
import tempfile
import time
from hashlib import sha256
from pathlib import Path

import psutil
from gradio_client import Client
from playwright.sync_api import sync_playwright
from screenshot import QUIET, started

TEXTS = ("a fine film", "dull and far too long", "it is what it is, and that is not much")
REPEATS = 9  # of a comparison's timed answers, after one that is not timed


def main(bundle: Path, rows: int) -> None:
    """Print the seconds to an address, to a page, to its examples; and the milliseconds of comparisons."""
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        sys.exit("no Chromium found: apt-get install chromium")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        many = with_rows(bundle, Path(folder) / "bundle", rows)
        browser = playwright.chromium.launch(executable_path=path, args=list(QUIET))
        begun = time.perf_counter()
        with started("demo", str(many)) as url:
            print(f"address after {time.perf_counter() - begun:.1f} s, {processor_s():.1f} of a processor")
            page = browser.new_page()
            page.goto(url)
            page.get_by_role("button", name="Compare").wait_for()
            print(f"page after {time.perf_counter() - begun:.1f} s, {processor_s():.1f} of a processor")
            during = beyond(url)
            page.get_by_text("On these test rows they disagree").wait_for(timeout=120_000)
            page.get_by_role("tab", name="Disagreements").click()
            page.get_by_text("The same label on").wait_for(timeout=120_000)
            print(f"all {rows:,} rows answered after {time.perf_counter() - begun:.1f} s")
            print(
                f"a comparison, beyond the model's own time: {beyond(url):.0f} ms; {during:.0f} ms meanwhile"
            )
        browser.close()


def processor_s() -> float:
    """What the demo has computed so far: beside busy neighbours it grows less than the time on the wall."""
    servers = [one for one in psutil.Process().children() if "demo" in one.cmdline()]
    return sum(one.cpu_times().user + one.cpu_times().system for one in servers)


def beyond(url: str) -> float:
    """The median milliseconds of a comparison beyond what its answers took."""
    client = Client(url, verbose=False)
    client.predict(TEXTS[0], api_name="/compare")
    found = []
    for text in TEXTS * 3:
        begun = time.perf_counter()
        answer = client.predict(text, api_name="/compare")
        taken = 1000 * (time.perf_counter() - begun)
        found.append(taken - (REPEATS + 1) * answer["student"]["p50_ms"])
    return statistics.median(found)


def with_rows(bundle: Path, copy: Path, rows: int) -> Path:
    """A copy of the bundle with so many test rows."""
    shutil.copytree(bundle, copy)
    evaluation, manifest = copy / "evaluation.jsonl", copy / "bundle.json"
    lines = [json.loads(line) for line in evaluation.read_text(encoding="utf-8").splitlines()]
    repeated = ({**lines[number % len(lines)], "id": number} for number in range(rows))
    evaluation.write_text("".join(json.dumps(row) + "\n" for row in repeated), encoding="utf-8")
    document = json.loads(manifest.read_text(encoding="utf-8"))
    content = evaluation.read_bytes()
    document["files"]["evaluation.jsonl"] = {
        "sha256": sha256(content).hexdigest(),
        "size_bytes": len(content),
    }
    manifest.write_text(json.dumps(document), encoding="utf-8")
    return copy


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--rows", type=int, default=5_000)
    given = parser.parse_args()
    main(given.bundle, given.rows)
