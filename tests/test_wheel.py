"""The base install alone, in a fresh environment: it serves a bundle, and it is slim."""

import json
import os
import shutil
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def base_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment into which the wheel was installed without extras."""
    folder = tmp_path_factory.mktemp("base")
    run = {"capture_output": True, "text": True, "check": False}
    built = subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(folder), str(ROOT)], **run
    )
    if built.returncode:
        pytest.skip(f"the wheel cannot be built here: {built.stderr.strip().splitlines()[-1:]}")
    (wheel,) = folder.glob("compress_toolchain-*.whl")
    subprocess.run([sys.executable, "-m", "venv", str(folder / "env")], check=True)
    python = folder / "env" / "bin" / "python"
    installed = subprocess.run(
        [
            str(python),
            "-m",
            "pip",
            "install",
            "-q",
            "--no-compile",
            "-c",
            str(ROOT / "constraints.txt"),
            str(wheel),
        ],
        **run,
    )
    if installed.returncode:
        pytest.skip(f"no package index answers: {installed.stderr.strip().splitlines()[-1:]}")
    return python


def test_the_base_install_serves_a_bundle_without_torch(
    base_python: Path, bundle_folder: Path, tmp_path: Path
) -> None:
    bundle = tmp_path / "bundle"
    shutil.copytree(bundle_folder, bundle)
    command = [str(base_python.parent / "compress"), "serve", str(bundle), "--port", "0"]
    environment = os.environ | {"PYTHONPATH": "", "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=tmp_path, env=environment)
    assert process.stdout is not None
    try:
        url = process.stdout.readline().rpartition(" ")[2].strip()
        request = urllib.request.Request(
            f"{url}/predict",
            data=json.dumps({"inputs": "a good film"}).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=20) as response:
            answer = json.load(response)
        assert answer[0]["label"] == "positive"
    finally:
        process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=20) == 0


def test_the_base_install_is_slim(base_python: Path) -> None:
    """Under 200 MB as `pip install --no-compile` leaves it; what every environment brings along is no part of it."""
    packages = base_python.parents[1] / "lib"
    sizes: dict[int, int] = {}
    for path in packages.rglob("*"):
        brought = {"pip", "setuptools", "pkg_resources", "_distutils_hack", "__pycache__"} & set(path.parts)
        if path.is_file() and not path.is_symlink() and not brought:
            sizes[path.stat().st_ino] = path.stat().st_size
    assert 50e6 < sum(sizes.values()) < 200e6


def test_the_base_install_predicts_and_holds_no_training_stack(
    base_python: Path, bundle_folder: Path, tmp_path: Path
) -> None:
    source, target = tmp_path / "in.csv", tmp_path / "out.csv"
    source.write_text("text\na good film\ndull and cold\n")
    command = [str(base_python.parent / "compress"), "predict", str(bundle_folder), str(source), str(target)]
    subprocess.run(command, check=True, capture_output=True, cwd=tmp_path)
    assert target.read_text().splitlines()[1].startswith("a good film,positive,")
    told = [
        subprocess.run(
            [command[0], *arguments], check=True, capture_output=True, text=True, cwd=tmp_path
        ).stdout
        for arguments in (
            ["inspect", str(bundle_folder)],
            ["push", str(bundle_folder), "owner/name", "--dry-run"],
        )
    ]
    assert "PASS: the 17.6 MB student" in " ".join(told[0].split())
    assert "Nothing was sent" in told[1]
    script = f"import serve, sys; serve.load({str(bundle_folder)!r}).predict(['x']); print(*sys.modules)"
    loaded = subprocess.run(
        [str(base_python), "-c", script], capture_output=True, text=True, check=True, cwd=tmp_path
    ).stdout.split()
    assert not {"torch", "transformers"} & set(loaded)
    missing = subprocess.run(
        [str(base_python), "-c", "import torch"], capture_output=True, check=False, cwd=tmp_path
    )
    assert missing.returncode == 1


def test_the_base_install_writes_for_every_platform(
    base_python: Path, bundle_folder: Path, tmp_path: Path
) -> None:
    """The texts and the pinned versions are in the wheel."""
    script = (
        "import pathlib, sys; from serve.deploy import TARGETS, deploy, target\n"
        "bundle, out = map(pathlib.Path, sys.argv[1:])\n"
        "print(*(len(deploy(bundle, target(kind), out / kind).files) for kind in TARGETS))"
    )
    done = subprocess.run(
        [str(base_python), "-c", script, str(bundle_folder), str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert all(int(count) > 2 for count in done.stdout.split())
    assert "onnxruntime==" in (tmp_path / "spaces/requirements.txt").read_text()


@pytest.mark.parametrize(("command", "extra"), [("run", "train"), ("verify", "verify")])
def test_a_command_that_needs_an_extra_says_which(
    base_python: Path, bundle_folder: Path, tmp_path: Path, command: str, extra: str
) -> None:
    arguments = [str(bundle_folder)] if command == "verify" else []
    done = subprocess.run(
        [str(base_python.parent / "compress"), command, *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 2
    assert f'pip install "compress-toolchain[{extra}]"' in done.stderr
