"""What the tests of serving share."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import serve
from serve.runtime import OnnxRuntime

TEXTS = [
    "a good film",
    "",
    "awful music, flat ending",
    "   ",
    "the story was fine and the actor great",
    "a",
    "it was cold but lovely and warm and funny and the ending was bright and wise and the plot great",
    "unheard words ünïcödé 電影 🎬",
    "no plot",
    "stale and grim and silly",
]


@pytest.fixture(scope="session")
def texts() -> list[str]:
    """Texts of many lengths, one of them over the maximum."""
    return TEXTS


@pytest.fixture(scope="session")
def runtime(bundle_folder: Path) -> OnnxRuntime:
    """The runtime of the tiny bundle."""
    return serve.load(bundle_folder, threads=1)


@pytest.fixture
def bundle_copy(bundle_folder: Path, tmp_path: Path) -> Path:
    """A copy of the bundle that a test may alter."""
    return shutil.copytree(bundle_folder, tmp_path / "bundle")


@pytest.fixture(scope="session")
def server(bundle_folder: Path) -> Iterator[str]:
    """URL of `python -m serve` on the tiny bundle, in a process of its own."""
    process, url = start_server(bundle_folder)
    yield url
    process.terminate()
    process.wait(timeout=20)


def start_server(bundle: Path) -> tuple[subprocess.Popen[str], str]:
    """Start the real server on a free port; gives its process and its URL."""
    process = subprocess.Popen(
        [sys.executable, "-m", "serve", str(bundle), "--port", "0", "--threads", "1"],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        cwd=Path(__file__).parents[2],
    )
    assert process.stderr is not None
    line = process.stderr.readline()
    assert "http://" in line, line + process.stderr.read()
    return process, line.split(" on ")[-1].split()[0]


@pytest.fixture
def started_server(bundle_folder: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server of the test's own, to be stopped by it."""
    process, url = start_server(bundle_folder)
    yield process, url
    if process.poll() is None:
        process.kill()
        process.wait(timeout=20)
