"""Killed without warning and started again: training goes on where it was."""

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from command import command
from safetensors.numpy import load_file
from tiny import TinyRun, tiny_recipe

import compress
from compress.training.loop import CHECKPOINTS


def checkpoints(folder: Path, stage: str) -> list[Path]:
    # trainer_state.json is the last file of a checkpoint
    return sorted(folder.glob(f"stages/{stage}-*/{CHECKPOINTS}/checkpoint-*/trainer_state.json"))


def started(*arguments: object) -> list[str]:
    """The command as a process of its own."""
    return [sys.executable, "-m", "compress", *map(str, arguments)]


def kill_when(process_of: list[str], reached: Callable[[], object]) -> None:
    """Start the process, and kill it with SIGKILL once it is so far."""
    process = subprocess.Popen(process_of, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
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
    recipe["distill"][0] |= {"epochs": 8, "checkpoint_steps": 20}
    file, out = tmp_path / "recipe.yaml", tmp_path / "run"
    file.write_text(json.dumps(recipe))

    kill_when(started("run", file, "--out", out), lambda: checkpoints(out, "student-1-logits"))
    # A kill in the middle of writing leaves half a checkpoint, which must not be gone on from.
    (folder,) = out.glob(f"stages/student-1-logits-*/{CHECKPOINTS}")
    (folder / "checkpoint-99999").mkdir()
    (folder / "checkpoint-99999" / "model.safetensors").write_bytes(b"half")
    (teacher,) = out.glob("stages/teacher-??????????/stage.json")
    trained = teacher.stat().st_mtime_ns
    assert not (out / "bundle").exists()

    again = command("run", file, "--out", out)
    said = again.stdout + again.stderr
    assert again.code in {0, 4}, said  # a busy machine may leave the speed unsettled
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


def stop_before(step: str, monkeypatch: pytest.MonkeyPatch) -> type[Exception]:
    """Let runs in this process end with the exception that is returned, instead of this step of the pipeline."""

    def enough(*_: object, **__: object) -> None:
        raise InterruptedError

    monkeypatch.setattr(f"compress.pipeline.{step}", enough)
    return InterruptedError


def test_a_resumed_training_ends_where_an_undisturbed_one_does(
    tiny_data: Path, tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = tiny_recipe(tiny_data, tiny_encoder)
    recipe["teacher"]["train"] |= {"epochs": 3, "checkpoint_steps": 40}
    recipe["precision"] = "fp32"
    file = tmp_path / "recipe.yaml"
    file.write_text(json.dumps(recipe))
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    kill_when(started("run", file, "--out", cut), lambda: checkpoints(cut, "teacher"))
    stopped = stop_before("transfer_set", monkeypatch)  # which the teacher's training is followed by
    for folder in (whole, cut):
        with pytest.raises(stopped):
            compress.run(recipe, out=folder)
    undisturbed, resumed = (
        load_file(next(folder.glob("stages/teacher-??????????/model.safetensors"))) for folder in (whole, cut)
    )
    for name, weights in undisturbed.items():
        assert resumed[name] == pytest.approx(weights, abs=1e-4), name


def test_ctrl_c_says_how_to_go_on(tiny_data: Path, tiny_encoder: Path, tmp_path: Path) -> None:
    recipe = tiny_recipe(tiny_data, tiny_encoder)
    recipe["teacher"]["train"] |= {"epochs": 500, "checkpoint_steps": 20}
    file, out = tmp_path / "recipe.yaml", tmp_path / "run"
    file.write_text(json.dumps(recipe))
    arguments = ["run", str(file), "--out", str(out)]
    process = subprocess.Popen(
        started(*arguments), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
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
    recipe = tiny_recipe(tiny_data, tiny_encoder)
    recipe["report_to"] = ["tensorboard"]
    for training in (recipe["teacher"]["train"], recipe["distill"][0]):
        training["epochs"] = 1
    with pytest.raises(stop_before("export_files", monkeypatch)):  # what comes after the trainings
        compress.run(recipe, out=tmp_path)
    logs = list(tmp_path.glob(f"stages/*/{CHECKPOINTS}/**/events.out.tfevents.*"))
    assert {log.relative_to(tmp_path / "stages").parts[0].rsplit("-", 1)[0] for log in logs} == {
        "teacher",
        "student-1-logits",
    }
    assert not list(tmp_path.glob(f"stages/*/{CHECKPOINTS}/checkpoint-*"))
