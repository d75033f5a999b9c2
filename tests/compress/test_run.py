"""The chain, end to end, on a tiny task: what the report says, and what the bundle answers."""

import json
import os
import shutil
import signal
import subprocess
import sys
import urllib.request
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from packed import read_rows
from recomputed import agrees_with, recomputed
from sklearn.metrics import f1_score, matthews_corrcoef
from tiny import TinyRun
from tokenizers import Tokenizer

import serve
from compress.demo import live_teacher
from compress.judge.latency import Plan
from compress.judge.wording import sentence
from compress.progress import Silent
from compress.verify.pipeline import verify_bundle
from serve.batcher import Caps
from serve.bundle import read
from serve.errors import UserError
from serve.info import describe
from serve.limits import Limits


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
