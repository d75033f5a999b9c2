"""The chain, end to end, on a tiny task: what is kept, what is done again, what comes out."""

import json
import shutil
import subprocess
import sys
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from tiny import TinyRun, tiny_rows
from tokenizers import Tokenizer

import compress
import serve
from compress.stage import MANIFEST
from serve.bundle import read


def stage_times(folder: Path) -> dict[str, int]:
    return {path.parent.name: path.stat().st_mtime_ns for path in folder.glob(f"stages/*/{MANIFEST}")}


def with_changes(recipe: Any, **changes: Any) -> dict[str, Any]:
    return {**deepcopy(dict(recipe)), **changes}


def test_every_row_of_the_table_is_measured(tiny_run: TinyRun) -> None:
    report = tiny_run.report
    kinds = [(row.name, row.runtime, row.precision) for row in report.models]
    assert kinds == [
        ("teacher", "torch", "fp32"),
        ("teacher", "onnxruntime", "fp32"),
        ("student", "onnxruntime", "fp32"),
        ("student", "onnxruntime", "int8"),
    ]
    teacher, teacher_onnx, student_float, student_int8 = report.models
    assert teacher.score > 0.8
    assert teacher.score == teacher_onnx.score  # the same model in another runtime
    assert all(row.score_ci[0] <= row.score <= row.score_ci[1] for row in report.models)
    assert student_int8.size_mb < student_float.size_mb < teacher_onnx.size_mb
    assert student_int8.parameters < teacher.parameters
    assert all({"batch_1", "batch_1_one_thread"} <= set(row.latency["cpu"]) for row in report.models)
    assert {parity.file for parity in report.parity} == {"model.onnx", "model_quantized.onnx"}
    assert len(report.parity) == 3


def test_the_report_beside_and_inside_the_bundle_say_the_same(tiny_run: TinyRun) -> None:
    beside = json.loads((tiny_run.folder / "report.json").read_text())
    inside = json.loads((tiny_run.bundle / "report.json").read_text())
    assert beside == inside == json.loads(tiny_run.report.model_dump_json())
    assert next(iter(beside)) == "schema"


def test_the_score_is_that_of_the_file_that_ships(tiny_run: TinyRun) -> None:
    rows = [json.loads(line) for line in (tiny_run.bundle / "evaluation.jsonl").read_text().splitlines()]
    answers = serve.load(tiny_run.bundle).predict([row["text"] for row in rows])
    accuracy = np.mean([answer.label == row["label"] for answer, row in zip(answers, rows, strict=True)])
    agreement = np.mean([a.label == row["teacher"]["label"] for a, row in zip(answers, rows, strict=True)])
    assert accuracy == pytest.approx(tiny_run.report.models[-1].score)
    assert agreement == pytest.approx(tiny_run.report.fidelity.agreement)


def test_a_copied_bundle_answers_in_plain_onnxruntime_as_it_does_when_served(
    tiny_run: TinyRun, tmp_path: Path
) -> None:
    copy = tmp_path / "elsewhere"
    shutil.copytree(tiny_run.bundle, copy)
    texts = [
        "the coach saw a goal",
        "we cook soup and bread",
        "an unknown word zzz",
        "flight to the hotel today",
    ]
    served = serve.load(copy).predict(texts)
    session = onnxruntime.InferenceSession(str(copy / "onnx" / "model_quantized.onnx"))
    tokenizer = Tokenizer.from_file(str(copy / "tokenizer.json"))
    labels = json.loads((copy / "config.json").read_text())["id2label"]
    for text, answer in zip(texts, served, strict=True):
        encoding = tokenizer.encode(text)
        columns = {
            "input_ids": encoding.ids,
            "attention_mask": encoding.attention_mask,
            "token_type_ids": encoding.type_ids,
        }
        feed = {value.name: np.asarray([columns[value.name]]) for value in session.get_inputs()}
        (logits,) = session.run(None, feed)
        probabilities = np.exp(logits[0]) / np.exp(logits[0]).sum()
        assert labels[str(int(logits[0].argmax()))] == answer.label
        assert answer.score == pytest.approx(float(probabilities.max()), abs=1e-6)


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
    trained = [name for name in before if name.startswith(("teacher", "student"))]
    assert len(trained) == 6
    assert {name: before[name] for name in trained} == {name: after[name] for name in trained}
    assert report.shipped == "onnx-fp32"
    bundle = read(folder / "bundle")
    assert bundle.manifest.model == "onnx/model.onnx"
    assert bundle.manifest.batching == "batch"
    assert not (folder / "bundle" / "onnx" / "model_quantized.onnx").exists()


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
    (teacher,) = tiny_run.folder.glob("stages/teacher-??????????")
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


@pytest.mark.parametrize(("gate", "code"), [("1.5", 3), ("0.5", 0)])
def test_a_missed_gate_is_the_exit_code_and_says_by_how_much(tiny_run: TinyRun, gate: str, code: int) -> None:
    recipe = tiny_run.folder / "tiny.yaml"
    recipe.write_text(json.dumps(dict(tiny_run.recipe)))
    command = [sys.executable, "-m", "compress", "run", str(recipe), "--out", str(tiny_run.folder)]
    done = subprocess.run(
        [*command, "--set", f"gates.min_retention={gate}"], capture_output=True, text=True, check=False
    )
    assert done.returncode == code, done.stderr
    if code == 3:
        assert "min_retention missed" in done.stdout
        assert "below 1.5, by" in done.stdout.replace("\n", " ")


def test_json_on_stdout_is_one_document(tiny_run: TinyRun) -> None:
    recipe = tiny_run.folder / "tiny.yaml"
    recipe.write_text(json.dumps(dict(tiny_run.recipe)))
    command = [sys.executable, "-m", "compress", "run", str(recipe), "--out", str(tiny_run.folder), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    document = json.loads(done.stdout)
    assert document["schema"] == 1
    assert document["models"][0]["score"] == tiny_run.report.models[0].score
