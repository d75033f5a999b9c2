"""Who may import whom: the contracts hold, each of them can fail, and the slim parts stay slim."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("compress", "export", "serve", "app")
# What a server has not installed, or what takes longer to load than all that it needs.
HEAVY = {
    "torch",
    "transformers",
    "datasets",
    "pandas",
    "pyarrow",
    "onnx",
    "onnxscript",
    "optimum",
    "accelerate",
}
HEAVY |= {
    "gradio",
    "plotly",
    "scipy",
    "sklearn",
    "seqeval",
    "psutil",
    "huggingface_hub",
    "safetensors",
    "matplotlib",
}

# One forbidden import for each contract: where it is planted, and what is planted there.
FORBIDDEN = [
    ("serve/predictor.py", "import torch", "serve needs nothing of ours"),
    ("serve/limits.py", "import export.model", "serve needs nothing of ours"),
    ("app/views/cards.py", "import compress.stage", "app needs serve alone"),
    ("export/model.py", "import compress.stage", "export needs serve alone"),
    ("compress/stage.py", "import gradio", "compress reaches app through"),
    ("compress/judge/fidelity.py", "import torch", "verify judges a bundle without"),
    ("compress/judge/wording.py", "import scipy", "inspect and push need the base install alone"),
]


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    tool = Path(sys.executable).parent / "lint-imports"
    environment = os.environ | {"PYTHONPATH": str(folder), "COLUMNS": "200"}
    return subprocess.run(
        [str(tool), "--no-cache"], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copyfile(ROOT / "pyproject.toml", tmp_path / "pyproject.toml")
    return tmp_path


def test_the_contracts_hold(checkout: Path) -> None:
    done = lint(checkout)
    assert done.returncode == 0, done.stdout
    assert "6 kept, 0 broken" in done.stdout


@pytest.mark.parametrize(("file", "line", "contract"), FORBIDDEN, ids=lambda value: str(value))
def test_a_forbidden_import_is_caught(checkout: Path, file: str, line: str, contract: str) -> None:
    """A misspelt name in a contract passes in silence, so each contract is seen to fail."""
    path = checkout / file
    path.write_text(path.read_text() + f"\n{line}\n")
    done = lint(checkout)
    assert done.returncode == 1
    broken = [row for row in done.stdout.splitlines() if "BROKEN" in row]
    assert [row for row in broken if contract in row], done.stdout


def loaded_by(code: str) -> set[str]:
    """Top-level modules that a fresh Python has loaded after running `code`."""
    script = code + "\nimport sys; print(*{name.split('.')[0] for name in sys.modules})"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT
    )
    return set(done.stdout.split())


def test_serving_loads_no_training_stack() -> None:
    modules = sorted(
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in (ROOT / "serve").rglob("*.py")
        if path.name not in {"__init__.py", "__main__.py"} and "templates" not in path.parts
    )
    assert len(modules) > 10
    loaded = loaded_by("\n".join(f"import {module}" for module in modules))
    assert "onnxruntime" in loaded
    assert not loaded & HEAVY


def test_the_command_that_serves_loads_nothing_that_it_does_not_need(bundle_folder: Path) -> None:
    """From the command line to the moment in which requests are taken: what keeps the start under a second."""
    lines = [
        f"import sys; sys.argv = ['compress', 'serve', {str(bundle_folder)!r}, '--port', '0', '--threads', '1']",
        "import serve.server",
        "def listens(app, models, *_): models.close()",
        "serve.server._run = listens",
        "from compress.cli import main",
        "try: main()",
        "except SystemExit as stopped: assert not stopped.code, stopped.code",
    ]
    loaded = loaded_by("\n".join(lines))
    assert {"uvicorn", "fastapi", "onnxruntime", "tokenizers"} <= loaded
    assert not loaded & HEAVY


def test_help_answers_without_the_heavy_stack() -> None:
    lines = ["import sys; sys.argv = ['compress', '--help']", "from compress.cli import main"]
    loaded = loaded_by("\n".join([*lines, "try: main()", "except SystemExit: pass"]))
    assert not loaded & {
        "torch",
        "transformers",
        "datasets",
        "onnx",
        "onnxruntime",
        "gradio",
        "fastapi",
        "numpy",
    }


def test_a_shadowed_package_is_said_plainly(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("print('mine')\n")
    done = subprocess.run(
        [sys.executable, "-m", "compress", "--help"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "the package 'app' of compress-toolchain is hidden by" in done.stderr
    assert str(tmp_path / "app.py") in done.stderr
