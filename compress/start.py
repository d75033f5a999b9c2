"""What lies between a call of `compress.run` (or the command line) and the pipeline."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from compress.errors import RecipeError
from compress.general.recipe import GeneralConfig
from compress.general.report import EncoderReport
from compress.judge.report import Report
from compress.progress import Progress, Silent
from compress.recipe import RunConfig
from compress.recipe_file import Recipe, check_recipe, read_recipe

RECIPES = (
    "recipes",
    "../recipes",
)  # beside this file in an installed wheel, beside the package in a checkout


def start(
    recipe: str | Path | Mapping[str, object] | Recipe | None,
    *,
    out: str | Path | None,
    overrides: Sequence[str] = (),
    fresh: bool = False,
    progress: Progress | None = None,
) -> Report | EncoderReport:
    """Read the recipe and run it; see `compress.run`."""
    from compress.pipeline import Place, run_recipe

    config, name, command = resolve(recipe, overrides)
    folder = Path(out) if out is not None else Path("runs") / name
    reproduce = f"{command} --out {shlex.quote(str(folder))}"
    if isinstance(config, GeneralConfig):
        from compress.general.pipeline import run_general

        return run_general(config, folder, reproduce, progress or Silent(), fresh=fresh)
    return run_recipe(config, Place(folder, name, reproduce), progress or Silent(), fresh=fresh)


def resolve(
    recipe: str | Path | Mapping[str, object] | Recipe | None, overrides: Sequence[str]
) -> tuple[Recipe, str, str]:
    """The checked recipe, its name, and the command that runs it."""
    tail = "".join(f" --set {shlex.quote(override)}" for override in overrides)
    if isinstance(recipe, RunConfig | GeneralConfig):
        if overrides:
            raise RecipeError("recipe", ["overrides are for recipes from files and mappings"])
        return recipe, "recipe", "compress run RECIPE"
    if isinstance(recipe, Mapping):
        return check_recipe(recipe, overrides), "recipe", f"compress run RECIPE{tail}"
    path = shipped_recipe("quickstart") if recipe is None else Path(recipe)
    config = read_recipe(path, overrides)
    command = "compress run" if recipe is None else f"compress run {shlex.quote(str(recipe))}"
    return config, path.stem, command + tail


def shipped_recipe(name: str) -> Path:
    """The file of a recipe that comes with the project."""
    here = Path(__file__).parent
    return next(path for folder in RECIPES if (path := (here / folder / f"{name}.yaml")).is_file()).resolve()
