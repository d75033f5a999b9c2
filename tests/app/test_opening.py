"""A page over thousands of rows opens before they are answered, and answers them once."""

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
from gradio_client import Client

from app.launch import Reach, launch
from app.page import build_page
from app.rows import Row
from app.subject import subject
from serve.tasks import Answer, Classification

ROWS = 5_000


class Slow:
    """A student of two milliseconds a text: ten seconds for all rows."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def predict(self, inputs: Sequence[str]) -> list[Answer]:
        time.sleep(0.002 * len(inputs))
        self.asked += inputs
        return [Classification("a", {"a": 0.9, "b": 0.1}, 3, truncated=False) for _ in inputs]


def test_nobody_waits_for_the_rows(report: dict[str, Any]) -> None:
    teacher = Classification("b", {"a": 0.2, "b": 0.8}, tokens=0, truncated=False)
    rows = [Row(number, f"text {number}", "a", teacher) for number in range(ROWS)]
    student = Slow()
    start = time.perf_counter()
    about = subject("t", report, rows, student)
    url = launch(build_page(about), Reach(port=0))
    assert httpx.get(url).status_code == 200
    assert student.asked == []
    # 0.5 s here; 10 s of it would be the rows, were they answered first.
    assert time.perf_counter() - start < 8

    about.rows.begin()
    client = Client(url, verbose=False)
    taken = []
    for number in range(3):
        start = time.perf_counter()
        client.predict(f"new {number}", api_name="/compare")
        taken.append(time.perf_counter() - start)
    assert not about.rows.is_complete
    # 0.25 s here: the rest of a turn in the background, ten answers of 2 ms, a pause, and Gradio's own way.
    assert min(taken) < 3
    about.rows.stop()
    of_rows = [text for text in student.asked if text.startswith("text")]
    assert len(of_rows) == len(set(of_rows)) < ROWS


SCRIPT = """
import sys
written = []
sys.addaudithook(lambda event, given: event == "open" and str(given[0]).endswith(".pyi") and written.append(given))
from app.launch import Reach, launch
from app.page import build_page
from app.subject import subject
from gradio_client import Client
from serve.tasks import Classification

class Sure:
    def predict(self, inputs):
        return [Classification("a", {"a": 1.0}, 1, False) for _ in inputs]

page = build_page(subject("t", {}, [], Sure()))
client = Client(launch(page, Reach(port=0)), verbose=False)
for text in ("one", "two"):
    assert client.predict(text, api_name="/classify")["label"] == "a"
print(written, [name for name in sys.modules if name in ("mcp", "torch") or name.startswith("pandas.")])
import pandas
print(len(pandas.DataFrame({"a": [1, 2]})))
page.close(verbose=False)
"""


def test_no_time_is_spent_on_what_the_page_has_not() -> None:
    """Most of what importing Gradio takes is writing stubs into its own folder, pandas, and mcp where it is installed.

    With pandas it would make a table of all events after each of them, for a page of statistics that is not shown.
    """
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    assert done.stdout.splitlines() == ["[] []", "2"]
