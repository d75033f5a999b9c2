"""Recipes that ask for what cannot be: the cases first, then what holds for a recipe with many faults."""

from pathlib import Path
from typing import Any

import pytest
from mistakes import Case, check, require, run_refused, setting
from tiny import tiny_recipe


def half_precision_on_a_processor(recipe: dict[str, Any], _: Path) -> None:
    recipe["quantize"], recipe["device"] = {"method": "fp16"}, "cpu"


CASES = [
    Case(
        "half precision without a GPU",
        half_precision_on_a_processor,
        ("quantize.method is fp16", "the device of this run is cpu", "quantize.method: auto"),
    ),
    Case("bits that nothing has", setting("quantize", {"method": "weights", "bits": 3}), ("bits", "4 or 8")),
    Case("misspelt key", setting("data.colums", {}), ("data.colums", "did you mean columns?", "--dry-run")),
    Case(
        "misspelt key deep down",
        setting("distill.0.temprature", 2),
        ("temprature", "did you mean temperature?"),
    ),
    Case(
        "misspelt option of a gate",
        setting("gates.min_retenton", 1),
        ("gates.min_retenton", "min_retention?"),
    ),
    Case(
        "wrong type", setting("teacher.train.epochs", "three"), ("teacher.train.epochs", "number", "'three'")
    ),
    Case(
        "true where a number belongs",
        setting("teacher.train.epochs", True),
        ("teacher.train: epochs", "true or false"),
    ),
    Case(
        "text where true belongs",
        setting("bundle", {"rows": "no"}),
        ("bundle: rows", "true or false", "'no'"),
    ),
    Case(
        "temperature out of range",
        setting("distill.0.temperature", 0),
        ("distill.0.temperature", "greater than 0"),
    ),
    Case(
        "alpha out of range",
        setting("distill.0.alpha", 1.5),
        ("distill.0.alpha", "less than or equal to 1", "1.5"),
    ),
    Case("no such method", setting("quantize.method", "dynamik"), ("dynamik", "did you mean dynamic?")),
    Case("no such task", setting("task", "sentiment"), ("sentiment", "text-classification")),
    Case("no such metric", setting("metric", "f1"), ("metric", "'accuracy'", "'f1'")),
    Case("student without distillation", setting("distill", []), ("student:", "distill: [{method: logits}]")),
    Case(
        "more layers than the teacher has",
        setting("student.layers", 9),
        ("student.layers is 9", "4 layers", "layers: 2"),
    ),
    Case("layers without the last", setting("student.layers", [1, 2]), ("[1, 2]", "last layer", "[1, 4]")),
    Case("layers out of order", setting("student.layers", [4, 2]), ("student.layers", "ascending")),
    Case(
        "label ids with a gap",
        setting("data.labels", {0: "a", 2: "b"}),
        ("data.labels", "without gaps", "[0, 2]"),
    ),
    Case("tracker that is not installed", setting("report_to", ["comet_ml"]), ("comet_ml", "report_to")),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_bad_recipe_gets_one_clear_message(
    case: Case, tiny_data: Path, tiny_encoder: Path, tmp_path: Path
) -> None:
    check(case, tiny_recipe(tiny_data, tiny_encoder), tmp_path)


def test_the_table_is_whole() -> None:
    """An empty table would pass in silence, and of two cases of one name one was meant to be another."""
    assert len(CASES) >= 18
    assert len({case.name for case in CASES}) == len(CASES)


def test_yaml_that_is_none(tmp_path: Path) -> None:
    require(run_refused("data: {path: x\n", tmp_path), "not valid YAML")


def test_a_key_that_is_given_twice_is_refused(tmp_path: Path) -> None:
    recipe = "seed: 1\ndata: {path: x}\nteacher: {model: y}\nseed: 2\n"
    require(run_refused(recipe, tmp_path), "'seed' is given twice")


def test_every_fault_is_told_at_once_with_its_line(tmp_path: Path) -> None:
    recipe = "data:\n  path: x\nteacher:\n  model: y\n  trian: {}\nseed: high\ngates: {max_size_mb: -1}\n"
    require(
        run_refused(recipe, tmp_path),
        "3 faults",
        "line 5: teacher.trian",
        "did you mean train?",
        "line 6: seed",
        "line 7: gates.max_size_mb",
    )


def test_faults_of_data_and_model_are_told_together(
    tiny_data: Path, tiny_encoder: Path, tmp_path: Path
) -> None:
    recipe = tiny_recipe(tiny_data, tiny_encoder)
    recipe["data"]["path"], recipe["student"]["layers"], recipe["device"] = "./nowhere", 9, "cuda"
    require(run_refused(recipe, tmp_path), "./nowhere", "student.layers is 9", "no CUDA device")


def test_a_bad_recipe_with_fresh_destroys_nothing(tiny_encoder: Path, tmp_path: Path) -> None:
    kept = tmp_path / "run" / "stages" / "teacher-0123456789" / "stage.json"
    kept.parent.mkdir(parents=True)
    kept.write_text("{}")
    run_refused(tiny_recipe(Path("./nowhere"), tiny_encoder), tmp_path, "--fresh")
    assert kept.is_file()
