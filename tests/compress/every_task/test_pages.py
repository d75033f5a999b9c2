"""The Python of every task's page of the docs runs."""

import re
import shutil
from pathlib import Path

import pytest
from done import Done
from served import NAME, make_app, running

from serve.bundle import read


def test_the_pages_python_runs(done: Done, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On this run's bundle, in the place of the one that the page names."""
    if done.case.name == "single-label":
        pytest.skip("tests/test_readme.py runs what its pages print")
    page = Path(__file__).parents[3] / f"docs/how-to-{done.case.name}.md"
    blocks = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    assert blocks
    monkeypatch.chdir(tmp_path)
    label = read(done.run.bundle).manifest.labels[0]
    for block in blocks:
        for named in re.findall(r"runs/\w+/bundle", block):
            shutil.copytree(done.run.bundle, tmp_path / named, dirs_exist_ok=True)
        code = block.replace('"gratitude"', repr(label)).replace('"embeddings"', repr(NAME))
        if "127.0.0.1:8080" not in code:
            exec(compile(code, page.name, "exec"), {})
            continue
        with running(make_app(done.run.bundle)) as url:
            exec(compile(code.replace("http://127.0.0.1:8080", url), page.name, "exec"), {})
