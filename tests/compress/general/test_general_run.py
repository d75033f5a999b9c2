"""From raw text to an encoder that another recipe takes: what comes out, what is said of it, and that it helps."""

import json
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from general import GeneralRun, RecipeOf
from lessons import gap, optimizer_of, teach, with_answers
from safetensors.numpy import load_file
from tiny import TOPICS, tiny_recipe, tiny_rows
from transformers import (
    AutoModel,
    AutoModelForMaskedLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BertConfig,
    BertForMaskedLM,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

import compress
from compress.cli import main
from compress.data.rows import Rows
from compress.distill.logits import Logits
from compress.general.encoder import load_encoder
from compress.general.lines import TextLines
from compress.general.masked import MaskedLines, unmasked
from compress.general.prepare import split_lines
from compress.general.report import EncoderReport, described
from compress.judge.report import Report
from compress.models.trained import Trained
from compress.progress import Silent
from compress.students import Pretrained
from compress.training.lesson import Batch
from compress.training.loop import CHECKPOINTS

INSIDE: list[tuple[str, dict[str, Any]]] = [
    ("tinybert", {}),
    ("minilm", {}),
    ("match", {"matches": [{"feature": "hidden", "loss": "mse", "teacher_layer": 4, "student_layer": 2}]}),
]


def run(recipe: dict[str, Any], out: Path) -> EncoderReport:
    report = compress.run(recipe, out=out)
    assert isinstance(report, EncoderReport)
    return report


@pytest.mark.parametrize(("method", "options"), INSIDE, ids=[name for name, _ in INSIDE])
def test_an_encoder_alone_teaches_its_inside(
    method: str, options: dict[str, Any], recipe_of: RecipeOf, tmp_path: Path
) -> None:
    near = run(recipe_of(method, **options), tmp_path).nearness
    assert near.masked is None  # no head, nothing to say of masked words
    assert near.likeness is not None
    assert near.likeness_before is not None
    assert near.likeness > near.likeness_before + 0.01
    encoder = AutoModel.from_pretrained(tmp_path / "encoder")
    assert type(encoder).__name__ == "BertModel"
    names = load_file(tmp_path / "encoder" / "model.safetensors")
    assert not [name for name in names if "classifier" in name]  # a head that nothing trained stays out


def test_the_encoder_loads_as_any_other_model(general_run: GeneralRun, tiny_encoder: Path) -> None:
    folder = general_run.folder / "encoder"
    assert Path(general_run.report.encoder) == folder
    assert AutoModel.from_pretrained(folder).config.num_hidden_layers == 2
    assert type(AutoModelForMaskedLM.from_pretrained(folder)).__name__ == "BertForMaskedLM"
    cut, as_before = (
        AutoTokenizer.from_pretrained(one)("goal near the hotel", padding=False)["input_ids"]
        for one in (folder, tiny_encoder)
    )
    assert cut == as_before


def test_the_report_counts_what_was_used(general_run: GeneralRun, tiny_encoder: Path, raw_text: Path) -> None:
    report = general_run.report
    lines = raw_text.read_text().splitlines()
    assert report.held_out == round(0.1 * len(lines))
    repeated = len(lines) - len(set(lines))
    assert len(lines) - report.held_out - repeated <= report.lines <= len(lines) - report.held_out
    assert (report.teacher_layers, report.student_layers) == (4, 2)
    for model, parameters in (
        (tiny_encoder, report.teacher_parameters),
        (general_run.folder / "encoder", report.student_parameters),
    ):
        encoder = AutoModel.from_pretrained(model, add_pooling_layer=False)
        assert parameters == encoder.num_parameters()
    written = json.loads((general_run.folder / "encoder.json").read_text())
    assert EncoderReport.model_validate(written) == report
    assert compress.start.resolve(report.recipe, [])[0] == compress.start.resolve(general_run.recipe, [])[0]


def test_likeness_and_masked_words_are_those_computed_line_by_line(
    general_run: GeneralRun, raw_text: Path
) -> None:
    text = TextLines([raw_text])
    _, held_out = split_lines(text, seed=13, share=0.1, most=None)
    teacher, student, start = (
        load_encoder(next(general_run.folder.glob(f"stages/{name}-??????????")))
        for name in ("teacher", "student-1-distilbert", "student-start")
    )
    rows = MaskedLines(text, held_out, teacher.tokenizer, 128, seed=13)
    cosines: dict[str, list[float]] = {"student": [], "start": []}
    right = {"teacher": 0, "student": 0}
    same = total = 0
    for first in range(0, len(rows), 32):
        batch = rows.collate([rows[number] for number in range(first, min(first + 32, len(rows)))])
        plain = unmasked(batch)
        for row, mask in enumerate(batch["attention_mask"].bool()):
            ids, labels = batch["input_ids"][row][mask], batch["labels"][row][mask]
            vectors, choices = {}, {}
            for name, trained in {"teacher": teacher, "student": student, "start": start}.items():
                with torch.no_grad():
                    hidden = trained.model.base_model(plain[row][mask][None]).last_hidden_state
                    choices[name] = trained.model(ids[None]).logits[0].argmax(-1)[labels != -100].tolist()
                vectors[name] = hidden[0].double().numpy().mean(0)
            for name, values in cosines.items():
                ours, theirs = vectors[name], vectors["teacher"]
                values.append(ours @ theirs / np.linalg.norm(ours) / np.linalg.norm(theirs))
            gold = labels[labels != -100].tolist()
            for name in right:
                right[name] += sum(a == b for a, b in zip(choices[name], gold, strict=True))
            same += sum(a == b for a, b in zip(choices["teacher"], choices["student"], strict=True))
            total += len(gold)
    near = general_run.report.nearness
    assert near.likeness == pytest.approx(np.mean(cosines["student"]), abs=1e-5)
    assert near.likeness_before == pytest.approx(np.mean(cosines["start"]), abs=1e-5)
    assert near.masked is not None
    assert near.masked.tokens == total
    assert near.masked.teacher_accuracy == pytest.approx(right["teacher"] / total)
    assert near.masked.student_accuracy == pytest.approx(right["student"] / total)
    assert near.masked.agreement == pytest.approx(same / total)
    assert near.masked.teacher_accuracy > 0.1  # it learnt something: one word of 32 by chance


def test_a_masked_language_model_is_used_as_it_is(
    recipe_of: RecipeOf, tiny_encoder: Path, tmp_path: Path
) -> None:
    config = BertConfig.from_pretrained(tiny_encoder, num_hidden_layers=3)
    original = BertForMaskedLM(config)
    original.save_pretrained(tmp_path / "model")
    AutoTokenizer.from_pretrained(tiny_encoder).save_pretrained(tmp_path / "model")
    recipe = recipe_of("distilbert", epochs=0.1)
    recipe["teacher"]["model"] = str(tmp_path / "model")
    report = run(recipe, tmp_path / "run")
    assert report.teacher_layers == 3
    assert report.nearness.masked is not None
    (stage,) = (tmp_path / "run").glob("stages/teacher-*")
    kept = BertForMaskedLM.from_pretrained(stage)
    for name, weights in original.state_dict().items():
        assert torch.equal(kept.state_dict()[name], weights), name


def test_a_narrower_student_says_nothing_of_likeness(
    recipe_of: RecipeOf, general_run: GeneralRun, tmp_path: Path
) -> None:
    recipe = recipe_of("tinybert", epochs=0.1, weights={"attention": 0})
    recipe["teacher"]["model"] = general_run.report.encoder
    recipe["student"] = {"layers": 1, "hidden_size": 16, "intermediate_size": 32}
    report = run(recipe, tmp_path)
    assert report.nearness.likeness is None
    assert report.nearness.masked is not None
    assert AutoModel.from_pretrained(tmp_path / "encoder").config.hidden_size == 16
    assert "likeness" not in described(report)


def test_a_finished_run_is_not_done_again(
    general_run: GeneralRun,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = tmp_path / "recipe.yaml"
    file.write_text(json.dumps(general_run.recipe))
    stages = {path: path.stat().st_mtime_ns for path in general_run.folder.glob("stages/*/*")}
    monkeypatch.setattr(sys, "argv", ["compress", "run", str(file), "--out", str(general_run.folder)])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert not stopped.value.code
    assert {path: path.stat().st_mtime_ns for path in general_run.folder.glob("stages/*/*")} == stages
    told, noted = capsys.readouterr()
    assert "nearness: done before" in noted
    near = general_run.report.nearness
    assert near.masked is not None
    for piece in (
        "2 layers",
        f"{near.likeness:.3f}",
        f"before: {near.likeness_before:.3f}",
        f"teacher: {near.masked.teacher_accuracy:.1%}",
        f"--set 'student={{model: {general_run.folder}/encoder}}'",
    ):
        assert piece in told


def test_the_encoder_is_the_student_of_a_recipe_for_a_task(
    general_run: GeneralRun, tiny_data: Path, tiny_encoder: Path, tmp_path: Path
) -> None:
    recipe = tiny_recipe(tiny_data, tiny_encoder) | {"student": {"model": general_run.report.encoder}}
    recipe["teacher"]["train"] |= {"epochs": 3}
    report = compress.run(recipe, out=tmp_path)
    assert isinstance(report, Report)
    assert report.fidelity.agreement > 0.5
    assert (tmp_path / "bundle" / "bundle.json").is_file()


def labelled(tokenizer: PreTrainedTokenizerFast, count: int, seed: int) -> list[Batch]:
    """The tiny task in batches, in this tokenizer's ids."""
    rows, made = tiny_rows(count, seed), []
    for first in range(0, count, 32):
        chunk = rows[first : first + 32]
        encoded = tokenizer([text for text, _ in chunk], padding=True, return_tensors="pt")
        batch = {name: encoded[name] for name in ("input_ids", "attention_mask")}
        made.append(batch | {"labels": torch.tensor([list(TOPICS).index(label) for _, label in chunk])})
    return made


def fine_tuned(folder: Path, batches: list[Batch]) -> PreTrainedModel:
    """The pretrained model after it learnt the tiny task from labels."""
    torch.manual_seed(0)
    model: PreTrainedModel = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=3)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    model.train()
    for step in range(60):
        model(**batches[step % len(batches)]).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    return model.eval()


def test_a_student_that_was_distilled_on_raw_text_learns_a_task_faster(general_run: GeneralRun) -> None:
    """The same teacher, texts, steps and size; what differs is where the student begins."""
    (stage,) = general_run.folder.glob("stages/teacher-*")
    tokenizer = load_encoder(stage).tokenizer
    teacher = fine_tuned(stage, labelled(tokenizer, 320, seed=1))
    learnt, unseen = (
        [
            {name: batch[name] for name in batch if name != "labels"}
            for batch in with_answers(teacher, batches)
        ]
        for batches in (labelled(tokenizer, 320, seed=11), labelled(tokenizer, 128, seed=12))
    )

    def gap_after(steps: int, *, distilled: bool) -> float:
        torch.manual_seed(1)
        shell = Trained(teacher, tokenizer, tuple(TOPICS), 128, Path())
        model, _ = Pretrained(model=general_run.report.encoder).build(shell, Rows([], None), "cpu")
        student = replace(shell, model=model if distilled else type(model)(model.config))
        lesson = Logits(method="logits").lesson(student, [], "cpu")
        teach(lesson, learnt, steps, optimizer_of(lesson, 1e-3))
        return gap(teacher, student.model, unseen)

    near, far = gap_after(40, distilled=True), gap_after(40, distilled=False)
    assert near < 0.5 * far


class Listening(Silent):
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def say(self, message: str) -> None:
        self.told.append(message)


def last_checkpoint(folder: Path) -> int:
    """The step of the last whole checkpoint of the first stage."""
    states = folder.glob(f"stages/student-1-*/{CHECKPOINTS}/checkpoint-*/trainer_state.json")
    return max((int(state.parent.name.rpartition("-")[2]) for state in states), default=0)


def test_killed_in_a_later_epoch_it_ends_where_an_undisturbed_run_does(
    recipe_of: RecipeOf, general_run: GeneralRun, tmp_path: Path
) -> None:
    recipe = recipe_of("distilbert", epochs=3, checkpoint_steps=10, batch_size=16)
    recipe["teacher"]["model"] = general_run.report.encoder
    recipe["student"] = {"layers": 1}
    file, cut, whole = tmp_path / "recipe.yaml", tmp_path / "cut", tmp_path / "whole"
    file.write_text(json.dumps(recipe))
    process = subprocess.Popen(
        [sys.executable, "-m", "compress", "run", str(file), "--out", str(cut)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 240
    while last_checkpoint(cut) <= 40:  # an epoch has 36 steps, and the masks are others in the second
        assert process.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not (cut / "encoder").exists()

    listening, step = Listening(), last_checkpoint(cut)
    resumed = compress.run(recipe, out=cut, progress=listening)
    assert f"student, distilbert: going on from step {step}" in listening.told
    assert "teacher: done before" in listening.told
    undisturbed = run(recipe, whole)
    assert isinstance(resumed, EncoderReport)
    assert resumed.nearness.likeness == pytest.approx(undisturbed.nearness.likeness, abs=1e-4)
    left, right = (load_file(folder / "encoder" / "model.safetensors") for folder in (whole, cut))
    for name, weights in left.items():
        assert right[name] == pytest.approx(weights, abs=1e-4), name


def test_ctrl_c_says_how_to_go_on(
    recipe_of: RecipeOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    file = tmp_path / "recipe.yaml"
    file.write_text(json.dumps(recipe_of("tinybert")))
    arguments = ["run", str(file), "--out", str(tmp_path / "run")]
    monkeypatch.setattr("compress.general.pipeline.train", interrupted)
    monkeypatch.setattr(sys, "argv", ["compress", *arguments])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 130
    assert f"go on with:\n  compress {' '.join(arguments)}" in capsys.readouterr().err
