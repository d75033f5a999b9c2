"""What is checked and decided before anything is trained."""

import json
from pathlib import Path

import pytest
from chinese import chinese_rows, save_character_encoder
from command import command
from tiny import TinyRun, tiny_recipe, tiny_rows, write_csv

from compress import prepare as preparing
from compress.models.lengths import Lengths, choose_max_length
from compress.prepare import prepare
from compress.recipe_file import check_recipe, read_recipe


def test_both_runtimes_side_by_side_are_told(
    tiny_data: Path, tiny_encoder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = check_recipe(tiny_recipe(tiny_data, tiny_encoder))
    assert not any("onnxruntime-gpu" in note for note in prepare(config).notes)
    monkeypatch.setattr(preparing, "find_distribution", lambda _: True)
    assert any("the CUDA provider vanishes" in note for note in prepare(config).notes)


def test_the_length_covers_the_texts_and_stays_inside_the_model() -> None:
    import numpy as np

    usual = Lengths(np.asarray([10] * 5000 + [90] * 50))
    assert choose_max_length(None, usual, 512) == 96
    outlier = Lengths(np.asarray([10] * 5000 + [4000]))
    assert choose_max_length(None, outlier, 512) == 64  # one text in 5,000 does not decide
    assert choose_max_length(None, Lengths(np.asarray([4000] * 50)), 512) == 512
    assert choose_max_length(40, usual, 512) == 40
    assert choose_max_length(4000, usual, 512) == 512
    assert sum(texts for _, _, texts in usual.histogram()) == 5050


def test_texts_that_lose_their_end_are_told(tiny_data: Path, tiny_encoder: Path) -> None:
    recipe = tiny_recipe(tiny_data, tiny_encoder)
    recipe["data"]["max_length"] = 10
    notes = prepare(check_recipe(recipe)).notes
    assert any("longer than 10 tokens and lose their end" in note for note in notes)


def test_the_dry_run_prints_the_plan_and_trains_nothing(
    tiny_data: Path, tiny_encoder: Path, tmp_path: Path
) -> None:
    file = tmp_path / "recipe.yaml"
    file.write_text(json.dumps(tiny_recipe(tiny_data, tiny_encoder)))
    done = command("run", file, "--dry-run", "--out", tmp_path / "run", "--json")
    assert done.code == 0, done.stderr
    plan = json.loads(done.stdout)
    assert plan["rows"] == {"train": 540, "validation": 60, "test": 150}
    assert plan["labels"] == ["food", "sport", "travel"]
    assert plan["student"]["layers"] == 2
    assert plan["student_parameters"] < plan["teacher_parameters"]
    assert plan["expected_size_mb"]["ONNX int8"] < plan["expected_size_mb"]["ONNX float"]
    assert plan["max_length"] == 64
    assert sum(texts for _, _, texts in plan["length_histogram"]) == 540
    assert all(seconds > 0 for seconds in plan["expected_seconds"].values())
    assert set(plan["expected_seconds"]) >= {"teacher, fine-tuning", "student, 1 logits", "latency"}
    assert not (tmp_path / "run").exists()


def test_the_dry_run_says_what_is_there_already(tiny_run: TinyRun, tmp_path: Path) -> None:
    file = tmp_path / "recipe.yaml"
    file.write_text(json.dumps(tiny_run.recipe))
    stages = {path.parent for path in tiny_run.folder.glob("stages/*/stage.json")}
    done = command("run", file, "--dry-run", "--out", tiny_run.folder)
    assert done.code == 0, done.stderr
    assert f"note: {len(stages)} finished stages lie there" in done.stdout
    assert "finished stages" not in command("run", file, "--dry-run", "--out", tmp_path / "new").stdout


def test_init_writes_a_recipe_that_fits(tiny_encoder: Path, tmp_path: Path) -> None:
    data = write_csv(tmp_path / "my tickets.csv", tiny_rows(200, seed=8), ("message", "intent"))
    recipe = tmp_path / "tickets.yaml"
    asked = ("init", "--data", data, "--teacher", tiny_encoder, "--out", recipe)
    done = command(*asked)
    assert done.code == 0, done.stderr
    config = read_recipe(recipe)
    assert config.data.columns.text == "message"
    assert config.data.columns.label == "intent"
    assert config.teacher.train is not None  # the encoder has no head
    assert config.student is not None
    assert config.student.layers == 2  # half of the teacher's four
    assert "# 3 labels: food, sport, travel" in recipe.read_text()
    assert f"run {recipe} --dry-run" in done.stdout
    recipe.write_text("seed: 1\n")
    again = command(*asked)
    assert again.code == 2
    assert "holds another recipe" in again.stderr
    assert recipe.read_text() == "seed: 1\n"


def test_run_with_data_and_teacher_writes_the_recipe_and_plans_it(
    tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = write_csv(tmp_path / "tickets.csv", tiny_rows(200, seed=8))
    monkeypatch.chdir(tmp_path)
    done = command("run", "--data", data, "--teacher", tiny_encoder, "--dry-run", "--set", "student.layers=1")
    assert done.code == 0, done.stderr
    assert "layers 1" in done.stdout
    assert read_recipe(tmp_path / "runs" / "tickets" / "tickets.yaml").data.path == str(data)


def test_a_teacher_that_cannot_read_the_texts_is_told(tiny_encoder: Path, tmp_path: Path) -> None:
    rows = chinese_rows(120, 1)
    file = write_csv(tmp_path / "rows.csv", rows)
    notes = prepare(check_recipe(tiny_recipe(file, tiny_encoder))).notes
    assert any(
        "tokens of the training texts are unknown to the teacher's tokenizer" in note for note in notes
    )
    reader = save_character_encoder(tmp_path / "encoder", [text for text, _ in rows])
    assert not any("unknown" in note for note in prepare(check_recipe(tiny_recipe(file, reader))).notes)
