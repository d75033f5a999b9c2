"""Unlabelled tiny text, a recipe of general distillation on it, and one finished run."""

from pathlib import Path
from typing import Any

import pytest
from general import GeneralRun, Recipe, RecipeOf, raw_lines

import compress
from compress.general.report import EncoderReport

FAST = {"learning_rate": 3e-3, "batch_size": 32}


@pytest.fixture(scope="session")
def raw_text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("raw") / "text.txt"
    file.write_text("".join(f"{line}\n" for line in raw_lines(640, seed=5)))
    return file


@pytest.fixture(scope="session")
def recipe_of(raw_text: Path, tiny_encoder: Path) -> RecipeOf:
    """The recipe of a run of seconds: a stage by this method, with these options."""

    def make(method: str, **options: Any) -> Recipe:
        return {
            "task": "fill-mask",
            "data": {"path": str(raw_text), "held_out": 0.1},
            "teacher": {"model": str(tiny_encoder)},
            "student": {"layers": 2},
            "distill": [{"method": method, "epochs": 1, **FAST, **options}],
            "precision": "fp32",
        }

    return make


@pytest.fixture(scope="session")
def general_run(recipe_of: RecipeOf, tmp_path_factory: pytest.TempPathFactory) -> GeneralRun:
    """An encoder without a head learns to fill in masks, and teaches that to one of half its layers."""
    recipe = recipe_of("distilbert", epochs=4)
    recipe["teacher"]["train"] = {"epochs": 16, **FAST}
    folder = tmp_path_factory.mktemp("general")
    report = compress.run(recipe, out=folder)
    assert isinstance(report, EncoderReport)
    return GeneralRun(recipe, folder, report)
