"""A finished run of each task, which all tests of this folder share."""

from pathlib import Path

import pytest
from done import Done
from every_task import CASES, TaskCase
from made_once import made_once
from tiny import TinyRun, save_tiny_encoder, tiny_recipe

import compress
from compress.judge.report import Report


@pytest.fixture(scope="session", params=CASES, ids=lambda case: case.name)
def done(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Done:
    case: TaskCase = request.param
    if case.is_tiny_run:  # which other tests have made
        return Done(case, request.getfixturevalue("tiny_run"))

    # Of fewer layers than the tiny run, since every task's models are exported anew.
    def encoder(folder: Path) -> None:
        save_tiny_encoder(folder, layers=2)

    data = made_once(f"data-{case.name}", tmp_path_factory, case.write)
    recipe = tiny_recipe(data, made_once("two-layers", tmp_path_factory, encoder)) | dict(case.recipe)
    recipe["student"] = {"layers": 1}
    recipe["teacher"]["train"]["epochs"] = case.epochs
    recipe["gates"] = {"min_agreement": 0.3, "min_retention": 0.5}
    recipe["baseline"] = True
    folder = made_once(case.name, tmp_path_factory, lambda folder: compress.run(recipe, out=folder))
    report = Report.model_validate_json((folder / "report.json").read_text(encoding="utf-8"))
    return Done(case, TinyRun(recipe, folder, report))
