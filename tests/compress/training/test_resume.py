"""Killed without warning and started again: training goes on where it was."""

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from tiny import TinyRun, tiny_recipe

from compress.training.loop import CHECKPOINTS


def checkpoints(folder: Path, stage: str) -> list[Path]:
    # trainer_state.json is the last file of a checkpoint
    return sorted(folder.glob(f"stages/{stage}-*/{CHECKPOINTS}/checkpoint-*/trainer_state.json"))


def kill_when(command: list[str], reached: Callable[[], object]) -> None:
    """Start the command, and kill it with SIGKILL once it is so far."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 240
    while not reached():
        assert process.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < deadline, "it did not get so far"
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL


def test_a_killed_distillation_goes_on_and_the_teacher_is_not_trained_again(
    tiny_run: TinyRun, tmp_path: Path
) -> None:
    recipe = {**tiny_run.recipe, "benchmark": {"seconds": 1, "texts": 10, "threads": 1}}
    recipe["distill"] = [dict(recipe["distill"][0])]
    for stage in tiny_run.folder.glob("stages/teacher*"):
        shutil.copytree(stage, tmp_path / "run" / "stages" / stage.name)
    recipe["distill"][0] |= {"epochs": 16, "checkpoint_steps": 20}
    file, out = tmp_path / "recipe.yaml", tmp_path / "run"
    file.write_text(json.dumps(recipe))
    command = [sys.executable, "-m", "compress", "run", str(file), "--out", str(out)]

    kill_when(command, lambda: checkpoints(out, "student-1-logits"))
    # A kill in the middle of writing leaves half a checkpoint, which must not be gone on from.
    (folder,) = out.glob(f"stages/student-1-logits-*/{CHECKPOINTS}")
    (folder / "checkpoint-99999").mkdir()
    (folder / "checkpoint-99999" / "model.safetensors").write_bytes(b"half")
    (teacher,) = out.glob("stages/teacher-??????????/stage.json")
    trained = teacher.stat().st_mtime_ns
    assert not (out / "bundle").exists()

    again = subprocess.run(command, capture_output=True, text=True, check=False)
    said = again.stdout + again.stderr
    assert again.returncode in {0, 4}, said  # a busy machine may leave the speed unsettled
    assert "student, logits: going on from step" in said
    step = int(said.partition("going on from step ")[2].split()[0])
    assert step >= 20
    (told,) = [
        one
        for one in json.loads((out / "report.json").read_text())["trainings"]
        if one["stage"] == "student-1-logits"
    ]
    assert told["loss"][0][0] <= step < told["loss"][-1][0]  # of both processes
    assert "teacher: done before" in said
    assert teacher.stat().st_mtime_ns == trained
    assert not list(out.glob(f"stages/*/{CHECKPOINTS}"))  # gone once the stage is complete
    assert (out / "bundle" / "bundle.json").is_file()


def trained(folder: Path, file: str) -> list[Path]:
    return sorted(folder.glob(f"stages/teacher-??????????/{file}"))


def test_a_resumed_training_ends_where_an_undisturbed_one_does(
    tiny_data: Path, tiny_encoder: Path, tmp_path: Path
) -> None:
    from safetensors.numpy import load_file

    recipe = tiny_recipe(tiny_data, tiny_encoder)
    recipe["teacher"]["train"] |= {"checkpoint_steps": 40}
    recipe["precision"] = "fp32"
    file = tmp_path / "recipe.yaml"
    file.write_text(json.dumps(recipe))
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    start = [sys.executable, "-m", "compress", "run", str(file), "--out"]
    kill_when([*start, str(cut)], lambda: checkpoints(cut, "teacher"))
    for folder in (whole, cut):
        kill_when([*start, str(folder)], partial(trained, folder, "stage.json"))
    (left,), (right,) = (trained(folder, "model.safetensors") for folder in (whole, cut))
    undisturbed, resumed = load_file(left), load_file(right)
    for name, weights in undisturbed.items():
        assert resumed[name] == pytest.approx(weights, abs=1e-4), name


def test_ctrl_c_says_how_to_go_on(tiny_data: Path, tiny_encoder: Path, tmp_path: Path) -> None:
    recipe = tiny_recipe(tiny_data, tiny_encoder)
    recipe["teacher"]["train"] |= {"epochs": 500, "checkpoint_steps": 20}
    file, out = tmp_path / "recipe.yaml", tmp_path / "run"
    file.write_text(json.dumps(recipe))
    arguments = ["run", str(file), "--out", str(out)]
    process = subprocess.Popen(
        [sys.executable, "-m", "compress", *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 240
    while not checkpoints(out, "teacher"):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in said
    assert f"go on with:\n  {sys.executable} -m compress {' '.join(arguments)}" in said


def test_a_trackers_log_stays(
    tiny_data: Path, tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("tensorboard", reason="the tracker is not installed")
    import compress

    def enough(*_: object, **__: object) -> None:
        raise InterruptedError

    monkeypatch.setattr("compress.pipeline.export_files", enough)  # what comes after the trainings
    recipe = tiny_recipe(tiny_data, tiny_encoder)
    recipe["report_to"] = ["tensorboard"]
    with pytest.raises(InterruptedError):
        compress.run(recipe, out=tmp_path)
    logs = list(tmp_path.glob(f"stages/*/{CHECKPOINTS}/**/events.out.tfevents.*"))
    assert {log.relative_to(tmp_path / "stages").parts[0].rsplit("-", 1)[0] for log in logs} == {
        "teacher",
        "student-1-logits",
    }
    assert not list(tmp_path.glob(f"stages/*/{CHECKPOINTS}/checkpoint-*"))
