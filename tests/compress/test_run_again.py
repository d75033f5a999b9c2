"""A run done again, as it was or with something changed: what stands, what is made anew, its exit code."""

import json
import shutil
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import command
from tiny import TinyRun, tiny_rows

import compress
import export.parity
from compress.stage import MANIFEST
from serve.bundle import read


def stage_times(folder: Path) -> dict[str, int]:
    return {path.parent.name: path.stat().st_mtime_ns for path in folder.glob(f"stages/*/{MANIFEST}")}


def with_changes(recipe: Any, **changes: Any) -> dict[str, Any]:
    return {**deepcopy(dict(recipe)), **changes}


def test_a_run_that_is_done_is_not_done_again(tiny_run: TinyRun) -> None:
    before = stage_times(tiny_run.folder)
    again = compress.run(tiny_run.recipe, out=tiny_run.folder)
    after = stage_times(tiny_run.folder)
    # A latency measured beside busy neighbours is measured again; everything else stands.
    unchanged = {name: time for name, time in before.items() if not name.startswith("latency")}
    assert unchanged == {name: time for name, time in after.items() if not name.startswith("latency")}
    assert again.models[-1].score == tiny_run.report.models[-1].score


def test_another_quantizer_trains_nothing_again(tiny_run: TinyRun, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(tiny_run.folder, folder)
    before = stage_times(folder)
    report = compress.run(with_changes(tiny_run.recipe, quantize={"method": "none"}), out=folder)
    after = stage_times(folder)
    made = [name for name in before if name.startswith(("teacher", "student"))]
    trained = [name for name in made if "int8" not in name]
    assert len(trained) == 6
    assert {name: before[name] for name in trained} == {name: after[name] for name in trained}
    assert report.shipped == "onnx-fp32"
    timed = {one.name for one in report.exports if one.model == "student" and one.p50_ms}
    assert timed == {"opset-23", "portable", "opset-17-fused"}
    (chosen,) = [one for one in report.exports if one.model == "student" and one.chosen]
    bundle = read(folder / "bundle")
    assert bundle.manifest.opset == chosen.opset
    assert bundle.manifest.model == "onnx/model.onnx"
    assert bundle.manifest.batching == "batch"
    assert not (folder / "bundle" / "onnx" / "model_quantized.onnx").exists()


def test_a_changed_input_makes_its_own_stages_again_and_no_others(tiny_run: TinyRun, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(tiny_run.folder, folder)
    before = set(stage_times(folder))
    recipe = with_changes(tiny_run.recipe)
    recipe["distill"][0] |= {"temperature": 4.0, "epochs": 1}
    compress.run(recipe, out=folder)
    made = {name.rsplit("-", 1)[0] for name in set(stage_times(folder)) - before}
    measured = {
        "answers-student-onnxruntime-fp32",
        "answers-student-onnxruntime-int8",
        "invariance",
        "batches",
        "generalization-student-onnxruntime-int8",
        "selection-student-onnxruntime-int8",
    }  # and the teacher is asked nothing again
    assert made - {"latency"} == {"student-1-logits", "student-onnx", "student-int8"} | measured


def test_a_teacher_whose_labels_stand_in_another_order_scores_the_same(
    tiny_run: TinyRun, tmp_path: Path
) -> None:
    teacher = tiny_run.teacher
    recipe = {
        "data": {**tiny_run.recipe["data"], "labels": ["travel", "sport", "food"]},
        "teacher": {"model": str(teacher)},  # its outputs are food, sport, travel
        "benchmark": {"seconds": 1},
    }
    report = compress.run(recipe, out=tmp_path / "run")
    assert report.labels == ["food", "sport", "travel"]
    assert report.models[0].score == pytest.approx(tiny_run.report.models[0].score)
    rows = [json.loads(line) for line in (tmp_path / "run/bundle/evaluation.jsonl").read_text().splitlines()]
    assert np.mean([row["label"] == row["teacher"]["label"] for row in rows]) > 0.8


def test_without_a_student_the_teacher_itself_is_quantised_and_judged(
    tiny_run: TinyRun, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(tiny_run.folder, folder)
    recipe = {key: value for key, value in tiny_run.recipe.items() if key not in {"student", "distill"}}
    report = compress.run(recipe, out=folder)
    assert [row.name for row in report.models] == ["teacher"] * 3
    assert report.fidelity.agreement > 0.9


def test_data_without_labels_is_distilled_on_and_judged_by_agreement(
    tiny_run: TinyRun, tmp_path: Path
) -> None:
    teacher = tiny_run.teacher
    file = tmp_path / "texts.csv"
    file.write_text("text\n" + "\n".join(text for text, _ in tiny_rows(400, seed=5)) + "\n")
    recipe = with_changes(
        tiny_run.recipe,
        data={"path": str(file)},
        teacher={"model": str(teacher)},
        gates={"min_agreement": 0.5, "min_retention": 0.5},
    )
    report = compress.run(recipe, out=tmp_path / "run")
    assert report.metric is None
    assert report.fidelity.retention is None
    assert report.fidelity.agreement > 0.7
    statuses = {gate.name: gate.status for gate in report.gates}
    assert statuses == {"min_agreement": "pass", "min_retention": "inconclusive"}


def run_again(tiny_run: TinyRun, *overrides: str) -> tuple[int, str]:
    """The command on the run that is done, with overrides; its exit code and what it printed, in one line."""
    ended = command(*again(tiny_run, *overrides))
    return ended.code, " ".join(ended.stdout.split())


def again(tiny_run: TinyRun, *overrides: str) -> list[str]:
    recipe = tiny_run.folder / "tiny.yaml"
    recipe.write_text(json.dumps(dict(tiny_run.recipe)))
    sets = [part for override in overrides for part in ("--set", override)]
    return ["run", str(recipe), "--out", str(tiny_run.folder), *sets]


def test_a_missed_gate_is_exit_code_3_and_says_by_how_much(tiny_run: TinyRun) -> None:
    code, said = run_again(tiny_run, "gates.min_retention=1.5")
    assert code == 3, said
    assert "min_retention missed" in said
    assert "below 1.5, by" in said
    assert read(tiny_run.bundle).manifest.verdict == "fail"


def test_a_threshold_inside_the_interval_is_exit_code_4_and_says_how_many_rows_settle_it(
    tiny_run: TinyRun,
) -> None:
    low, high = tiny_run.report.fidelity.agreement_ci
    code, said = run_again(tiny_run, f"gates.min_agreement={low + (high - low) / 4}")
    assert code == 4, said
    assert "min_agreement inconclusive" in said
    assert "rows would settle it (150 now)" in said


def test_gates_that_are_met_are_exit_code_0(tiny_run: TinyRun) -> None:
    met = ("gates.min_retention=0.5", "gates.max_size_mb=1", "gates.max_invariance_flips=0")
    code, said = run_again(tiny_run, *met)
    assert code == 0, said
    assert "max_invariance_flips met: 0 of 150 answers change" in said
    assert read(tiny_run.bundle).manifest.verdict == "pass"


def test_an_export_that_answers_otherwise_is_exit_code_3_and_no_bundle(
    tiny_run: TinyRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(tiny_run.folder / "stages", tmp_path / "run" / "stages")
    for made in [*tmp_path.glob("run/stages/student-onnx-*"), *tmp_path.glob("run/stages/int8-*")]:
        shutil.rmtree(made)
    recipe = tmp_path / "tiny.yaml"
    recipe.write_text(json.dumps(dict(tiny_run.recipe)))
    monkeypatch.setattr(export.parity, "FLOAT_TOLERANCE", 0.0)
    ended = command("run", recipe, "--out", tmp_path / "run")
    assert ended.code == 3
    assert "does not answer as the PyTorch model it came from" in ended.stderr
    assert {path.name for path in (tmp_path / "run").iterdir()} == {"stages"}


def test_json_on_stdout_is_one_document(tiny_run: TinyRun, capfd: pytest.CaptureFixture[str]) -> None:
    """For a program that reads it, and so is the exit code; nor does a library in C print beside it."""
    done = command(*again(tiny_run, "gates.min_retention=1.5"), "--json")
    assert done.code == 3, done.stderr
    assert capfd.readouterr().out == ""
    document = json.loads(done.stdout)
    assert document["schema"] == 1
    assert document["models"][0]["score"] == tiny_run.report.models[0].score
