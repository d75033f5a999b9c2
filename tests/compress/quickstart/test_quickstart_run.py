"""`compress run` with nothing given: what a newcomer sees first, as they see it."""

import csv
import json
import re
import resource
import signal
import subprocess
import sys
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

COMMAND = str(Path(sys.executable).parent / "compress")


@dataclass(frozen=True)
class Quickstart:
    folder: Path  # where the command was given
    code: int
    printed: str
    said: str
    peak_bytes: int  # of the largest process that this test run waited for

    @property
    def report(self) -> dict[str, object]:
        return dict(json.loads((self.folder / "runs/quickstart/report.json").read_text()))


@pytest.fixture(scope="module")
def quickstart(tmp_path_factory: pytest.TempPathFactory) -> Quickstart:
    folder = tmp_path_factory.mktemp("newcomer")
    done = subprocess.run([COMMAND, "run"], cwd=folder, capture_output=True, text=True, check=False)
    peak_kib = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return Quickstart(folder, done.returncode, done.stdout, done.stderr, peak_kib * 1024)


def test_it_passes(quickstart: Quickstart) -> None:
    assert quickstart.code == 0, quickstart.said
    assert quickstart.report["verdict"] == "pass"
    gates = {gate["name"]: gate["status"] for gate in quickstart.report["gates"]}  # type: ignore[attr-defined]
    assert gates == {"min_retention": "pass", "min_agreement": "pass", "max_size_mb": "pass"}
    assert quickstart.report["speedup"]["p50"] > 1  # type: ignore[index]


def test_it_stays_inside_three_gigabytes(quickstart: Quickstart) -> None:
    assert quickstart.peak_bytes < 3 * 2**30


def test_a_bag_of_words_stays_three_points_below_the_teacher(quickstart: Quickstart) -> None:
    (data,) = quickstart.folder.glob("runs/quickstart/stages/support-desk-data-*")
    splits = {}
    for name in ("train", "test"):
        with (data / f"{name}.csv").open(encoding="utf-8", newline="") as stream:
            splits[name] = [(row["text"], row["label"]) for row in csv.DictReader(stream)]
    vectorizer = TfidfVectorizer(ngram_range=(1, 2))
    train_texts, train_labels = zip(*splits["train"], strict=True)
    test_texts, test_labels = zip(*splits["test"], strict=True)
    floor = LogisticRegression(C=100, max_iter=300, tol=1e-3).fit(
        vectorizer.fit_transform(train_texts), train_labels
    )
    bag_of_words = floor.score(vectorizer.transform(test_texts), test_labels)
    teacher = next(row for row in quickstart.report["models"] if row["name"] == "teacher")  # type: ignore[attr-defined]
    assert bag_of_words > 0.6  # the floor is a fair one
    assert teacher["score"] > bag_of_words + 0.03


def test_it_shows_what_the_product_does(quickstart: Quickstart) -> None:
    for expected in ("teacher", "student", "int8", "retention", "Bundle: runs/quickstart/bundle", "Next:"):
        assert expected in quickstart.printed
    assert re.search(r"PASS: the \d+\.\d+ MB student keeps", quickstart.printed)


def test_the_next_commands_work_as_printed(quickstart: Quickstart) -> None:
    commands = [
        line.strip() for line in quickstart.printed.partition("Next:")[2].splitlines() if line.strip()
    ]
    assert len(commands) == 2
    serve, demo = commands
    assert " serve " in serve
    assert " demo " in demo
    body = json.dumps({"inputs": "do not cancel my order, only change the delivery address"}).encode()
    for command, path, data in ((serve, "/predict", body), (demo, "/", None)):
        process = subprocess.Popen(
            f"exec {command} --port 0",
            shell=True,
            cwd=quickstart.folder,
            stdout=subprocess.PIPE,
            text=True,
            env={"PATH": "/usr/bin:/bin", "PYTHONUNBUFFERED": "1"},  # nothing is activated
        )
        assert process.stdout is not None
        try:
            match = re.search(r"http://\S+", process.stdout.readline())
            assert match
            request = urllib.request.Request(
                match[0].rstrip("/") + path,
                data=data,
                headers={"Content-Type": "application/json"} if data else {},
            )
            with urllib.request.urlopen(request, timeout=60) as response:
                content = response.read()
            if data:
                assert json.loads(content)[0]["label"] in quickstart.report["labels"]  # type: ignore[operator]
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=30)
