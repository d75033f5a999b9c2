"""The recipes that come with the project, and the reading of recipes."""

from pathlib import Path

import pytest
import yaml

from compress.errors import RecipeError
from compress.recipe import RunConfig
from compress.recipe_file import check_recipe, read_recipe
from compress.start import shipped_recipe

RECIPES = sorted((Path(__file__).parents[2] / "recipes").glob("*.yaml"))


def test_every_shipped_recipe_is_valid() -> None:
    read = {path.stem: read_recipe(path) for path in RECIPES}
    assert set(read) >= {"quickstart", "sst2", "emotion", "general"}
    other = [name for name, config in read.items() if not isinstance(config, RunConfig)]
    assert other == ["general"]  # the one that makes an encoder, without a task
    assert len(read) == len(list(shipped_recipe("quickstart").parent.glob("*.yaml")))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_spoiled_shipped_recipe_is_refused(path: Path) -> None:
    values = yaml.safe_load(path.read_text())
    teacher = values["teacher"][0] if isinstance(values["teacher"], list) else values["teacher"]
    teacher["modle"] = teacher.pop("model")
    with pytest.raises(RecipeError, match=r"teacher(\.0)?\.model: is missing") as refused:
        check_recipe(values)
    assert "did you mean model?" in str(refused.value)


def test_set_overrides_any_key() -> None:
    config = read_recipe(
        shipped_recipe("sst2"),
        [
            "student.layers=[1, 6]",
            "distill.0.epochs=7",
            "gates.max_size_mb=9.5",
            "data.path=./here",
            "seed=4",
        ],
    )
    assert config.student is not None
    assert config.student.layers == [1, 6]
    assert config.distill[0].epochs == 7
    assert config.gates.max_size_mb == 9.5
    assert config.gates.min_retention == 0.96  # what is not named stays
    assert config.data.path == "./here"
    assert config.seed == 4


def test_the_recipe_of_a_report_is_a_recipe_again() -> None:
    config = read_recipe(shipped_recipe("sst2"))
    again = check_recipe(config.model_dump(mode="json", by_alias=True, exclude_none=True))
    assert again == config
