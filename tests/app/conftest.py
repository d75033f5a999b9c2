"""What the tests of the page share."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import serve
from app.evaluation import Row, read_rows
from app.launch import launch
from app.page import build_page
from serve.runtime import OnnxRuntime


@pytest.fixture(scope="session")
def student(bundle_folder: Path) -> OnnxRuntime:
    """The student of the tiny bundle."""
    return serve.load(bundle_folder, threads=1)


@pytest.fixture(scope="session")
def rows(bundle_folder: Path) -> list[Row]:
    """The stored rows, with the teacher's answers."""
    return read_rows(bundle_folder / "evaluation.jsonl")


@pytest.fixture(scope="session")
def page_url(student: OnnxRuntime, report: dict[str, Any], rows: list[Row]) -> Iterator[str]:
    """A real page with the stored teacher, on a free port."""
    page = build_page(student, None, report, rows, title="tiny-sentiment")
    yield launch(page, port=0)
    page.close(verbose=False)
