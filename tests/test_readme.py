"""What the README and the docs print, runs."""

import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from served import make_models, running

import serve
from app.evaluation import read_rows
from app.launch import Reach, launch
from app.page import build_page
from app.subject import subject
from serve.endpoint import create_app
from serve.metrics import Metrics

ROOT = Path(__file__).parents[1]
SERVER = "127.0.0.1:8080"  # as the texts have it
DEMO = "127.0.0.1:7860"
OF_OTHER_TASKS = {
    f"how-to-{task}.md"
    for task in ("embeddings", "multi-label", "question-answering", "regression", "token-classification")
}
BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)


def python_blocks() -> list[tuple[str, str]]:
    files = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    return [(file.name, block) for file in files for block in BLOCK.findall(file.read_text())]


def test_there_are_python_blocks() -> None:
    assert any(name == "README.md" for name, _ in python_blocks())


@pytest.mark.parametrize(("name", "block"), python_blocks())
def test_every_python_block_runs(
    name: str, block: str, bundle_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bundles that the text names are a tiny one here; a block that runs a recipe runs elsewhere."""
    for named in re.findall(r"runs/[\w-]+/bundle", block):
        if not (tmp_path / named).exists():
            shutil.copytree(bundle_folder, tmp_path / named)
    monkeypatch.chdir(tmp_path)
    code = compile(block, name, "exec")
    if "compress.run" in block or name in OF_OTHER_TASKS:
        return  # compiled alone: tests/compress/test_run_again.py runs the function, every_task/test_pages.py the pages
    if DEMO in block:
        (tmp_path / "films.csv").write_text("text\na good film\n")
        with shown(bundle_folder) as url:
            exec(compile(block.replace(f"http://{DEMO}", url), name, "exec"), {})
        return
    if SERVER not in block:
        exec(code, {})
        return
    metrics = Metrics()
    with running(create_app(make_models(bundle_folder, metrics, names=("sst2",)), metrics)) as url:
        exec(compile(block.replace(SERVER, url.removeprefix("http://")), name, "exec"), {})


@contextmanager
def shown(bundle: Path) -> Iterator[str]:
    """The address of a demo of the bundle."""
    rows = read_rows(bundle / "evaluation.jsonl")
    page = build_page(
        subject("sst2", json.loads((bundle / "report.json").read_text()), rows, serve.load(bundle))
    )
    yield launch(page, Reach(port=0))
    page.close(verbose=False)


def test_no_figure_is_left_to_be_filled_in() -> None:
    for file in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        assert "@@" not in file.read_text(), file


def test_every_file_that_the_docs_name_is_there() -> None:
    named = {
        match
        for file in [ROOT / "README.md", *(ROOT / "docs").glob("*.md"), ROOT / "CONTRIBUTING.md"]
        for match in re.findall(
            r"[`(]((?:compress|export|serve|app|tests|docs|recipes|benchmarks)/[\w./-]+\.\w+)[`)]",
            file.read_text(),
        )
    }
    assert len(named) > 8
    assert not [name for name in named if "NAME." not in name and not (ROOT / name).is_file()]
