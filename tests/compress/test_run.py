"""The chain, end to end, on a tiny task: what is kept, what is done again, what comes out."""

import json
import os
import shutil
import signal
import subprocess
import sys
import urllib.request
from copy import deepcopy
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from command import command
from packed import read_rows
from recomputed import agrees_with, recomputed
from sklearn.metrics import f1_score, matthews_corrcoef
from tiny import TinyRun, tiny_rows
from tokenizers import Tokenizer

import compress
import export.parity
import serve
from compress.demo import live_teacher
from compress.judge.latency import Plan
from compress.judge.wording import sentence
from compress.progress import Silent
from compress.stage import MANIFEST
from compress.verify.pipeline import verify_bundle
from serve.batcher import Caps
from serve.bundle import read
from serve.errors import UserError
from serve.info import describe
from serve.limits import Limits


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
    assert report.ladder == []  # the recipe names its quantiser
    assert read(tiny_run.bundle).manifest.batching == "one_by_one"
    assert len(report.parity) == 3
    assert report.speedup is not None
    assert set(report.speedup.by_threads) == {"1", "2"}
    # A quantiser follows, or the file is there to compare with: one form each, and no time lost on others.
    assert [(one.model, one.name, one.proven, one.chosen, one.p50_ms) for one in report.exports] == [
        (name, "opset-23", True, True, None) for name in ("teacher", "student")
    ]


def test_the_report_beside_and_inside_the_bundle_say_the_same(tiny_run: TinyRun) -> None:
    beside = json.loads((tiny_run.folder / "report.json").read_text())
    inside = json.loads((tiny_run.bundle / "report.json").read_text())
    assert beside == inside == json.loads(tiny_run.report.model_dump_json())
    assert next(iter(beside)) == "schema"
    page = (tiny_run.folder / "report.html").read_text()
    assert page == (tiny_run.bundle / "report.html").read_text()
    assert escape(sentence(tiny_run.report).partition(": the ")[2]) in page
    assert "report.html" in read(tiny_run.bundle).manifest.files
    assert [one.stage for one in tiny_run.report.trainings] == ["teacher", "student-1-logits"]
    assert sum(tiny_run.report.fidelity.alike.values()) + sum(
        flip.rows for flip in tiny_run.report.fidelity.flips
    ) == len(read_rows(tiny_run.bundle))
    assert len(json.dumps(inside)) < 30_000


def test_the_score_is_that_of_the_file_that_ships(tiny_run: TinyRun) -> None:
    rows = [json.loads(line) for line in (tiny_run.bundle / "evaluation.jsonl").read_text().splitlines()]
    answers = serve.load(tiny_run.bundle).predict([row["text"] for row in rows])
    accuracy = np.mean([answer.label == row["label"] for answer, row in zip(answers, rows, strict=True)])
    agreement = np.mean([a.label == row["teacher"]["label"] for a, row in zip(answers, rows, strict=True)])
    assert accuracy == pytest.approx(tiny_run.report.models[-1].score)
    assert agreement == pytest.approx(tiny_run.report.fidelity.agreement)


def test_a_plain_script_counts_what_the_report_says(tiny_run: TinyRun) -> None:
    again = recomputed(tiny_run.bundle)
    assert tiny_run.report.models[-1].score == pytest.approx(again["score"])
    agrees_with(tiny_run.report.fidelity, again)
    for row in (tiny_run.report.models[0], tiny_run.report.models[-1]):
        gold, answers = again["gold"], again["answers"][row.name]
        assert row.other_scores == pytest.approx(
            {
                "macro_f1": f1_score(gold, answers, average="macro"),
                "matthews": matthews_corrcoef(gold, answers),
            }
        )


def test_the_report_says_where_answers_change(tiny_run: TinyRun) -> None:
    report = tiny_run.report
    assert report.invariance is not None
    assert (report.invariance.batching, report.invariance.rows) == ("one_by_one", 150)
    assert report.invariance.flips == 0
    assert {case.counted for case in report.invariance.cases} == {True, False}
    assert [(shift.name, shift.rows) for shift in report.generalization] == [
        ("typos", 150),
        ("case", 150),
        ("punctuation", 150),
    ]
    case = report.generalization[1]
    assert case.teacher is not None
    assert case.shipped is not None
    assert (case.teacher.drop, case.shipped.drop) == (0, 0)  # the tokenizer makes all letters small
    typos = report.generalization[0]
    assert typos.teacher is not None
    assert typos.teacher.drop > 0
    flips = sum(flip.rows for flip in report.fidelity.flips)
    assert 1 - flips / 150 == pytest.approx(report.fidelity.agreement)
    card = (tiny_run.bundle / "README.md").read_text()
    assert "| typos | 150 | 0." in card
    assert "| true batches: all in one call | " in card


def test_the_bundle_says_how_many_texts_to_answer_in_one_go(tiny_run: TinyRun) -> None:
    manifest = read(tiny_run.bundle).manifest
    assert manifest.batches == tiny_run.report.batches
    assert manifest.batches is not None
    assert manifest.batching == "one_by_one"
    assert not manifest.batches.together  # the answers of dynamic int8 depend on their batch
    assert all(point.per_second > 0 for point in manifest.batches.curve)
    limits = Limits()
    assert Caps.of(describe(read(tiny_run.bundle), limits).batches) == Caps(
        manifest.batches.texts, manifest.batches.tokens
    )


def test_verifying_its_bundle_finds_what_the_run_found(
    tiny_run: TinyRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("compress.verify.pipeline.pilot", lambda *_, **__: Plan(5, 5))
    found = verify_bundle(tiny_run.bundle, None, Silent())
    report = tiny_run.report
    assert found.fidelity is not None
    assert found.score == found.reported_score == report.models[-1].score
    assert found.score_ci == report.models[-1].score_ci
    for name, value in report.fidelity.model_dump().items():
        if name not in {"kl", "ece_teacher", "by_confidence", "reliability_teacher"}:  # of rounded answers
            assert getattr(found.fidelity, name) == getattr(report.fidelity, name), (name, value)
    assert found.fidelity.kl == pytest.approx(report.fidelity.kl, abs=1e-5)
    assert found.invariance == report.invariance
    assert found.gates == [gate for gate in report.gates if gate.name != "min_speedup"]
    assert found.notes == [] or "busy" in found.notes[0]


def test_a_copied_bundle_answers_in_plain_onnxruntime_as_compress_serve_does(
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
    session = onnxruntime.InferenceSession(str(copy / "onnx" / "model_quantized.onnx"))
    tokenizer = Tokenizer.from_file(str(copy / "tokenizer.json"))
    labels = json.loads((copy / "config.json").read_text())["id2label"]
    for text, answer in zip(texts, ask_server(copy, texts), strict=True):
        encoding = tokenizer.encode(text)
        columns = {
            "input_ids": encoding.ids,
            "attention_mask": encoding.attention_mask,
            "token_type_ids": encoding.type_ids,
        }
        feed = {value.name: np.asarray([columns[value.name]]) for value in session.get_inputs()}
        (logits,) = session.run(None, feed)
        probabilities = np.exp(logits[0]) / np.exp(logits[0]).sum()
        served = {row["label"]: row["score"] for row in answer}
        assert served == pytest.approx(
            {labels[str(i)]: float(p) for i, p in enumerate(probabilities)}, abs=1e-5
        )


def ask_server(bundle: Path, texts: list[str]) -> list[list[dict[str, Any]]]:
    """The answers of `compress serve`, a process of its own, over HTTP."""
    asked = [sys.executable, "-m", "compress", "serve", str(bundle), "--port", "0", "--drain-seconds", "0"]
    server = subprocess.Popen(
        asked, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONUNBUFFERED": "1"}
    )
    assert server.stdout is not None
    try:
        url = server.stdout.readline().split()[-1]
        request = urllib.request.Request(
            f"{url}/predict",
            data=json.dumps({"inputs": [[text] for text in texts]}).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as response:
            return list(json.load(response))
    finally:
        server.send_signal(signal.SIGTERM)
        assert server.wait(timeout=30) == 0


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


def test_the_teacher_answers_live_beside_its_bundle(tiny_run: TinyRun, tmp_path: Path) -> None:
    teacher = tiny_run.teacher
    rows = [json.loads(line) for line in (tiny_run.bundle / "evaluation.jsonl").read_text().splitlines()]
    live = live_teacher(str(teacher), tiny_run.bundle)
    for row, answer in zip(rows, live.predict([row["text"] for row in rows]), strict=True):
        assert answer.probabilities == pytest.approx(row["teacher"]["probabilities"], abs=1e-4)
    stranger = tmp_path / "stranger"
    shutil.copytree(teacher, stranger)
    config = json.loads((stranger / "config.json").read_text())
    config["id2label"] = {"0": "LABEL_0", "1": "LABEL_1", "2": "LABEL_2"}
    (stranger / "config.json").write_text(json.dumps(config))
    with pytest.raises(UserError, match="the labels LABEL_0"):
        live_teacher(str(stranger), tiny_run.bundle)


def test_json_on_stdout_is_one_document(tiny_run: TinyRun, capfd: pytest.CaptureFixture[str]) -> None:
    """For a program that reads it, and so is the exit code; nor does a library in C print beside it."""
    done = command(*again(tiny_run, "gates.min_retention=1.5"), "--json")
    assert done.code == 3, done.stderr
    assert capfd.readouterr().out == ""
    document = json.loads(done.stdout)
    assert document["schema"] == 1
    assert document["models"][0]["score"] == tiny_run.report.models[0].score
