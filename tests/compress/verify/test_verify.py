"""The verdict again from the bundle alone: figures against a plain reckoning, and every planted fault refused."""

import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from batch_graphs import depend_on_the_batch
from packed import hash_again, read_rows, write_rows
from recomputed import agrees_with, recomputed
from rich.console import Console
from scipy import stats

import serve
from compress.cli import main
from compress.inspection import inspect_bundle, render
from compress.progress import Silent
from compress.verify.document import Verification
from compress.verify.evidence import evaluation_rows
from compress.verify.pipeline import verify_bundle
from serve.bundle import NOT_JUDGED
from serve.errors import UserError

ROOT = Path(__file__).parents[3]


def verified(folder: Path, data: Path | None = None) -> Verification:
    return verify_bundle(folder, data, Silent())


def with_report(folder: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    path = folder / "report.json"
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))
    hash_again(folder)
    return folder


def with_gates(folder: Path, **gates: float) -> Path:
    return with_report(folder, lambda document: document["recipe"].update(gates=gates))


def test_it_runs_without_torch_and_transformers_in_the_process(judged_bundle: Path) -> None:
    """The command itself, in a process of its own, where importing either of the two is an error."""
    script = (
        "import sys\n"
        "class Absent:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name in ('torch', 'transformers', 'datasets', 'onnx'): raise ModuleNotFoundError(name=name)\n"
        "sys.meta_path.insert(0, Absent())\n"
        f"sys.argv = ['compress', 'verify', {str(judged_bundle)!r}, '--json', '--seconds', '1']\n"
        "from compress.cli import main\n"
        "try: main()\n"
        "finally: print(*sys.modules, file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert (document["schema"], document["verdict"]) == (1, "pass")
    assert document["latency"]["batch_1"]["samples"] > 0
    loaded = {name.split(".")[0] for name in done.stderr.splitlines()[-1].split()}
    assert "onnxruntime" in loaded
    assert not loaded & {"torch", "transformers", "datasets", "onnx", "gradio"}


@pytest.mark.usefixtures("quick")
def test_the_figures_are_those_of_a_plain_reckoning(judged_bundle: Path) -> None:
    found = verified(judged_bundle)
    rows = read_rows(judged_bundle)
    labels = ["negative", "positive"]
    answers = serve.load(judged_bundle).predict([row["text"] for row in rows])
    gold = np.array([labels.index(row["label"]) for row in rows])
    ours = np.array([labels.index(answer.label) for answer in answers])
    theirs = np.array([labels.index(row["teacher"]["label"]) for row in rows])
    assert found.rows == 200
    assert found.score == found.reported_score == pytest.approx((ours == gold).mean())
    assert found.teacher_score == pytest.approx((theirs == gold).mean()) == pytest.approx(0.9)
    assert found.fidelity is not None
    assert found.fidelity.retention == pytest.approx((ours == gold).sum() / (theirs == gold).sum())
    assert found.fidelity.agreement == pytest.approx(0.95)
    teacher = [[row["teacher"]["probabilities"][label] for label in labels] for row in rows]
    shipped = [[answer.probabilities[label] for label in labels] for answer in answers]
    assert found.fidelity.kl == pytest.approx(stats.entropy(teacher, shipped, axis=1).mean(), abs=1e-6)
    assert (found.invariance.rows, found.invariance.flips) == (200, 0)
    assert {gate.name: gate.status for gate in found.gates} == {
        "min_retention": "pass",
        "min_agreement": "pass",
        "max_invariance_flips": "pass",
    }
    assert [one.name for one in found.not_measured] == ["min_speedup"]
    assert found.verdict == "pass"
    assert found.notes == [] or "busy" in found.notes[-1]


def exit_code(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["compress", "verify", *arguments])
    with pytest.raises(SystemExit) as stopped:
        main()
    return int(stopped.value.code or 0)


def test_a_plain_script_counts_the_same(copied: Path, quick: None) -> None:
    found = verify_bundle(copied, None, Silent())
    assert found.fidelity is not None
    again = recomputed(copied)
    assert sum(again["flips"].values()) > 5
    assert found.score == pytest.approx(again["score"])
    agrees_with(found.fidelity, again)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    ("gates", "code", "words"),
    [
        ({"min_retention": 1.2}, 3, "missed: min_retention"),
        ({"min_agreement": 0.94}, 4, "not settled: min_agreement"),
        ({"min_speedup": 2}, 4, "INCONCLUSIVE: here the"),  # the only gate, and nothing can be said of it
        ({"min_agreement": 0.5, "min_speedup": 2}, 0, "not measured here: min_speedup"),
        ({}, 0, "(no gates were set)"),
    ],
)
def test_exit_codes_are_those_of_a_run(
    copied: Path,
    gates: dict[str, float],
    code: int,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with_gates(copied, **gates)
    assert exit_code(monkeypatch, str(copied)) == code
    said = capsys.readouterr().out
    assert max(map(len, said.splitlines())) <= 80
    assert words in " ".join(said.split())


def test_a_stale_hash_is_exit_code_2(
    copied: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = read_rows(copied)
    rows[5]["label"] = "negative" if rows[5]["label"] == "positive" else "positive"
    write_rows(copied, rows)
    assert exit_code(monkeypatch, str(copied)) == 2
    assert "evaluation.jsonl was altered" in capsys.readouterr().err


def refusal(folder: Path, data: Path | None = None) -> str:
    with pytest.raises(UserError) as refused:
        verified(folder, data)
    return str(refused.value)


def other(label: str) -> str:
    return {"negative": "positive", "positive": "negative"}[label]


def test_probabilities_in_another_order_of_labels_are_refused(copied: Path) -> None:
    rows = read_rows(copied)
    for row in rows:
        found = row["teacher"]["probabilities"]
        row["teacher"]["probabilities"] = {"negative": found["positive"], "positive": found["negative"]}
    write_rows(copied, rows)
    hash_again(copied)
    assert "line 1: the teacher's label is" in refusal(copied)


def test_answers_in_another_order_of_labels_do_not_give_the_teachers_score(copied: Path) -> None:
    """Exchanged throughout, each answer is most probable in itself."""
    rows = read_rows(copied)
    for row in rows:
        found = row["teacher"]["probabilities"]
        row["teacher"] = {
            "label": other(row["teacher"]["label"]),
            "probabilities": {"negative": found["positive"], "positive": found["negative"]},
        }
    write_rows(copied, rows)
    hash_again(copied)
    message = refusal(copied)
    assert "the teacher's accuracy is 0.1000" in message
    assert "0.9000, as the report has it" in message


def test_the_order_of_the_names_in_a_row_does_not_matter(copied: Path) -> None:
    before = evaluation_rows(copied / "evaluation.jsonl", ["negative", "positive"])
    rows = read_rows(copied)
    for row in rows:
        row["teacher"]["probabilities"] = dict(reversed(row["teacher"]["probabilities"].items()))
    write_rows(copied, rows)
    after = evaluation_rows(copied / "evaluation.jsonl", ["negative", "positive"])
    assert before.teacher is not None
    assert after.teacher is not None
    assert before.teacher.tolist() == after.teacher.tolist()


def test_a_report_with_another_order_of_labels_is_refused(copied: Path) -> None:
    with_report(copied, lambda document: document.update(labels=["positive", "negative"]))
    assert "the order of the model's outputs: negative, positive" in refusal(copied)


def test_rows_that_are_missing_are_refused(copied: Path) -> None:
    write_rows(copied, read_rows(copied)[:-1])
    hash_again(copied)
    assert "the 200 rows that the report speaks of" in refusal(copied)


def test_a_gate_that_is_not_known_is_refused(copied: Path) -> None:
    with_gates(copied, min_charm=1)
    assert "asks for min_charm" in refusal(copied)


@pytest.mark.usefixtures("quick")
def test_a_runtime_whose_answers_depend_on_the_batch_misses_its_gate(copied: Path) -> None:
    depend_on_the_batch(copied / "onnx/model.onnx")
    hash_again(copied)
    with_gates(copied, max_invariance_flips=0)
    found = verified(copied)
    assert found.verdict == "fail"
    assert "max_invariance_flips missed" in found.gates[0].message


@pytest.mark.usefixtures("quick")
def test_such_a_model_that_is_asked_text_by_text_passes_and_its_true_batches_are_told(copied: Path) -> None:
    depend_on_the_batch(copied / "onnx/model.onnx")
    manifest = json.loads((copied / "bundle.json").read_text())
    (copied / "bundle.json").write_text(json.dumps(manifest | {"batching": "one_by_one"}))
    hash_again(copied)
    with_gates(copied, max_invariance_flips=0)
    found = verified(copied)
    assert (found.verdict, found.invariance.batching) == ("pass", "one_by_one")
    assert max(case.largest_change for case in found.invariance.cases if not case.counted) > 0.1


@pytest.mark.usefixtures("quick")
def test_a_file_that_answers_otherwise_here_is_said(copied: Path) -> None:
    with_report(copied, lambda document: document["models"][-1].update(score=0.93))
    assert any("scored 0.9300 where it was made" in note for note in verified(copied).notes)


def without_rows(folder: Path) -> Path:
    manifest = json.loads((folder / "bundle.json").read_text())
    del manifest["files"]["evaluation.jsonl"]
    (folder / "bundle.json").write_text(json.dumps(manifest))
    (folder / "evaluation.jsonl").unlink()
    return folder


def test_what_was_exported_is_told_from_what_lost_its_report(copied: Path) -> None:
    manifest = json.loads((copied / "bundle.json").read_text())
    del manifest["files"]["report.json"]
    (copied / "report.json").unlink()
    (copied / "bundle.json").write_text(json.dumps(manifest))
    assert "has no report.json" in refusal(copied)
    (copied / "bundle.json").write_text(json.dumps(manifest | {"verdict": NOT_JUDGED}))
    said = refusal(copied)
    assert "was made by `compress export`, so nothing of it was judged" in said
    assert "make one with `compress run`; `compress bench` times this one as it is" in said
    console = Console(width=200, file=io.StringIO(), record=True)
    console.print(render(inspect_bundle(copied)))
    assert f"compress serve {copied}" in console.export_text()


def test_a_bundle_without_rows_asks_for_a_file(copied: Path) -> None:
    assert "give a file with --data" in refusal(without_rows(copied))


@pytest.mark.usefixtures("quick")
def test_other_rows_give_a_score_and_no_agreement(copied: Path, tmp_path: Path) -> None:
    file = tmp_path / "new.csv"
    file.write_text("sentence,label\na good film,positive\nawful plot,Negative\nthe great ending,negative\n")
    found = verified(without_rows(copied), file)
    assert (found.rows, found.score, found.fidelity) == (3, pytest.approx(2 / 3), None)
    assert (found.teacher_score, found.reported_score) == (None, None)
    assert [one.name for one in found.not_measured] == ["min_speedup", "min_retention", "min_agreement"]
    assert [gate.name for gate in found.gates] == ["max_invariance_flips"]
    assert found.notes[0].startswith("new.csv holds no answers of the teacher")


@pytest.mark.usefixtures("quick")
def test_rows_with_the_teachers_answers_give_agreement_too(judged_bundle: Path, tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    rows = [{**row, "label": None} for row in read_rows(judged_bundle)[:100]]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = verified(judged_bundle, file)
    assert found.fidelity is not None
    assert (found.fidelity.agreement, found.score) == (0.95, None)
    assert {gate.name: gate.status for gate in found.gates}["min_retention"] == "inconclusive"
    assert found.notes[0].startswith("not every row of rows.jsonl has a label")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("x.parquet", "", "ends in .parquet"),
        ("x.csv", "", "has no rows"),
        ("x.csv", "a,b\n1,2\n", "a column of texts: text, sentence"),
        ("x.csv", "text,label\nfine,1\n", "numbers mean nothing without `data.labels`"),
        ("x.jsonl", '{"text": "fine"}\n[1]\n', "line 2: no JSON object"),
        ("x.jsonl", '{"text": 3}\n', "row 1: an input of type int"),
        ("x.jsonl", '{"text": "x", "teacher": {"label": "good"}}\n', "line 1: the teacher's answer"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused(
    judged_bundle: Path, tmp_path: Path, name: str, content: str, words: str
) -> None:
    file = tmp_path / name
    file.write_text(content)
    assert words in refusal(judged_bundle, file)


@pytest.mark.usefixtures("quick")
def test_numbers_mean_what_the_recipe_says(copied: Path, tmp_path: Path) -> None:
    with_report(
        copied,
        lambda document: document["recipe"].update(data={"labels": {"0": "positive", "1": "negative"}}),
    )
    file = tmp_path / "new.tsv"
    file.write_text("text\tlabel\na good film\t0\nawful plot\t1\n")
    assert verified(copied, file).score == 1
