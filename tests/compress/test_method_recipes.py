"""The shipped recipes run: each from its teacher to the int8 file and the report, on tiny data.

The stages lie in one folder, so a teacher that recipes share is trained once. What a recipe says of
structure (methods, layer maps, matches, architectures) stays as it is: the tiny encoder has as many layers
as the recipes' own teacher, so their layer numbers fit.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from tiny import save_tiny_encoder, tiny_rows, write_csv

import compress
import serve
from compress.judge.report import Report

RECIPES = {
    path.stem: path
    for path in sorted((Path(__file__).parents[2] / "recipes").glob("*.yaml"))
    # these have tests of their own (Chinese: test_chinese.py); other tasks are run on theirs in every_task/
    if path.stem
    not in {
        "quickstart",
        "general",
        "mrpc",
        "rte",
        "embeddings",
        "stsb",
        "go_emotions",
        "wnut_17",
        "conll2003",
        "squad",
        "chnsenticorp",
        "banking77",  # as clinc150
    }
}
METHODS = {"logits", "tinybert", "distilbert", "minilm", "theseus", "mutual", "match"}
LAYERS = 6  # of all-MiniLM-L6-v2, the teacher of the recipes

# Everything that is made smaller, where a recipe has it; `*` is each entry of a list.
SMALLER: dict[str, object] = {
    "teacher.train": {"epochs": 4, "learning_rate": 3e-3, "batch_size": 16},
    "distill.*.epochs": 2,
    "distill.*.learning_rate": 4e-3,
    "distill.*.batch_size": 16,
    "distill.*.relation_heads": 8,  # the tiny encoder is 32 wide
    "student.intermediate_size": 32,
    "student.hidden_size": 32,
    "student.head_size": 16,
    "student.filters": 16,
    "augment.copies": 1,
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_csv(folder / "train.csv", tiny_rows(400, seed=1))
    write_csv(folder / "test.csv", tiny_rows(90, seed=2))
    return folder


@pytest.fixture(scope="module")
def encoders(tmp_path_factory: pytest.TempPathFactory) -> Sequence[Path]:
    """One for each teacher that a recipe may have."""
    folder = tmp_path_factory.mktemp("encoders")
    return [save_tiny_encoder(folder / "one", LAYERS), save_tiny_encoder(folder / "two", LAYERS - 1)]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


def smaller(recipe: Mapping[str, Any], data: Path, encoders: Sequence[Path]) -> dict[str, Any]:
    """The recipe on tiny data and with tiny models."""
    small = yaml.safe_load(yaml.safe_dump(dict(recipe)))
    for place, value in SMALLER.items():
        *parents, last = place.split(".")
        for holder in _holders(small, parents):
            if last in holder:
                holder[last] = value
    several = small["teacher"] if isinstance(small["teacher"], list) else [small["teacher"]]
    for teacher, encoder in zip(several, encoders, strict=False):
        teacher["model"] = str(encoder)
        teacher["train"] = SMALLER["teacher.train"]  # nobody has fine-tuned the tiny one before
    small["data"] = {"path": str(data)}
    small["gates"] = {}  # what they ask for is for real data
    small["benchmark"] = {"seconds": 1, "texts": 10, "threads": 1}
    return small


def _holders(here: Any, parents: Sequence[str]) -> list[dict[str, Any]]:
    if not parents:
        return [here]
    if parents[0] == "*":
        return [found for item in here for found in _holders(item, parents[1:])]
    return _holders(here[parents[0]], parents[1:]) if isinstance(here, dict) and parents[0] in here else []


def test_there_is_a_recipe_for_every_method() -> None:
    used = {
        stage["method"] for path in RECIPES.values() for stage in yaml.safe_load(path.read_text())["distill"]
    }
    assert used == METHODS


@pytest.mark.parametrize("name", RECIPES)
def test_the_recipe_runs_to_its_report(name: str, data: Path, encoders: Sequence[Path], runs: Path) -> None:
    recipe = yaml.safe_load(RECIPES[name].read_text())
    report = compress.run(smaller(recipe, data, encoders), out=runs)
    assert isinstance(report, Report)

    shipped = report.models[-1]
    assert (shipped.name, shipped.precision, report.shipped) == ("student", "int8", "onnx-int8")
    assert {"model.onnx", "model_quantized.onnx"} <= {finding.file for finding in report.parity}
    # Three labels: by chance a third.
    assert report.fidelity.agreement > 0.5
    assert shipped.parameters < report.models[0].parameters
    methods = [stage["method"] for stage in recipe["distill"]]
    for number, method in enumerate(methods, start=1):
        assert f"student-{number}-{method}" in report.seconds
    assert (report.baseline is not None) == recipe.get("baseline", False)
    assert len(report.by_teacher) == (len(recipe["teacher"]) if isinstance(recipe["teacher"], list) else 0)
    answers = serve.load(report.bundle).predict(["the coach saw a goal", "soup and bread"])
    assert all(answer.label in report.labels for answer in answers)
