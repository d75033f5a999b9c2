"""The Space's repository: it starts from its own files, and what it installs is pinned."""

import json
import os
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
import yaml

from serve.deploy import Spaces, deploy
from serve.deploy.plan import pinned

pytest.importorskip("gradio")


@pytest.fixture(scope="module")
def space(bundle_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("space") / "out"
    deploy(bundle_folder, Spaces(), out, "sst2")
    return out


def test_the_head_of_the_readme_is_a_spaces(space: Path) -> None:
    _, head, _ = (space / "README.md").read_text().split("---\n")
    said = yaml.safe_load(head)
    assert said["sdk"] == "gradio"
    assert said["sdk_version"] == pinned()["gradio"]
    assert said["python_version"] == "3.11"
    assert said["title"] == "sst2"
    assert (space / said["app_file"]).is_file()
    assert said["app_file"] not in ("app.py", "serve.py")  # they would hide the packages


def test_what_is_installed_is_pinned(space: Path) -> None:
    lines = (space / "requirements.txt").read_text().split()
    assert {line.partition("==")[0] for line in lines} >= {"onnxruntime", "tokenizers", "fastapi", "gradio"}
    assert all(line.count("==") == 1 for line in lines)
    assert not [line for line in lines if line.startswith(("torch", "transformers", "grpcio"))]


def test_the_start_file_shows_the_page_from_its_own_folder(space: Path) -> None:
    """Started as a Space starts it, but on a free port of this machine; nothing of this checkout on the path."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    process = subprocess.Popen(
        [sys.executable, "space.py"],
        cwd=space,
        env=environment | {"GRADIO_SERVER_NAME": "127.0.0.1", "GRADIO_SERVER_PORT": "0"},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    try:
        line = process.stderr.readline()
        assert f"showing {space / 'bundle'}" in line, line + process.stderr.read()
        with urllib.request.urlopen(line.split(" on ")[-1].strip() + "/config") as answer:
            assert json.load(answer)["title"]
    finally:
        process.kill()
        process.wait(timeout=20)
