"""The docs against the code: every key is described, what is shown can be pasted, what is named is there."""

import re
import shlex
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from compress.augment import Augment
from compress.cli import app
from compress.distill import METHODS
from compress.general.recipe import GeneralConfig
from compress.recipe import RunConfig
from compress.recipe_file import check_recipe
from compress.students import BiLstm, FromTeacher, Pretrained, TextCnn
from compress.training.options import TrainOptions
from export.quantize import Auto, Dynamic, Float16, Static, WeightsOnly

ROOT = Path(__file__).parents[1]
DOCS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]

HEADING = re.compile(r"^#{2,3} [^`\n]*(?:`([^`]+)`)?.*$", re.MULTILINE)
ROW = re.compile(r"^\| `([\w.]+)` \| [^|]* \| ([^|]*) \| [^|]* ?\|$", re.MULTILINE)
YAML = re.compile(r"```yaml\n(.*?)```", re.DOTALL)
NAMES = re.compile(r"^( {4,8})([\w./]+(?:, [\w./]+)*)(?: |$)")
COMMAND = re.compile(r"^ {4}(?:\.venv/bin/)?compress (.*?)(?:\s+# .*)?$", re.MULTILINE)

# The recipe's types, by the section of docs/recipe.md that describes their keys.
TYPES: dict[str, type[BaseModel]] = {
    "": RunConfig,
    "train": TrainOptions,
    "augment": Augment,
    "task: fill-mask": GeneralConfig,
    "from: teacher": FromTeacher,
    "model": Pretrained,
    "architecture: bilstm": BiLstm,
    "architecture: textcnn": TextCnn,
} | METHODS
QUANTISERS: dict[str, type[BaseModel]] = {
    "auto": Auto,
    "dynamic": Dynamic,
    "static": Static,
    "weights": WeightsOnly,
    "fp16": Float16,
}
TYPES |= QUANTISERS
DESCRIBED_APART = {"student", "augment", "distill", "quantize"}


def described() -> dict[str, dict[str, str]]:
    """By section (the name in its heading, or nothing) each key with what it is where it is left out."""
    text = (ROOT / "docs" / "recipe.md").read_text(encoding="utf-8")
    headings = list(HEADING.finditer(text))
    ends = [heading.start() for heading in headings[1:]] + [len(text)]
    keys: dict[str, dict[str, str]] = {}
    for heading, end in zip(headings, ends, strict=True):
        section = keys.setdefault(heading[1] or "", {})
        for key, left_out in ROW.findall(text[heading.start() : end]):
            assert key not in section, f"{key} is described twice"
            section[key] = left_out
    return keys


def keys_of(model: type[BaseModel]) -> tuple[dict[str, FieldInfo], set[str]]:
    """Every key with a value, as `data.columns.text`, and the mappings and lists above them."""
    leaves: dict[str, FieldInfo] = {}
    above: set[str] = set()
    shared = set(TrainOptions.model_fields) if model is not TrainOptions else set()
    for name, field in model.model_fields.items():
        if issubclass(model, TrainOptions) and name in shared | {"method"}:
            continue
        if model in QUANTISERS.values() and name == "method":
            continue  # the heading
        inner = None if name in DESCRIBED_APART else next(types_in(field.annotation), None)
        below, between = keys_of(inner) if inner and inner is not TrainOptions else ({}, set())
        if not below:
            leaves[field.alias or name] = field
            continue
        above |= {name} | {f"{name}.{key}" for key in between}
        leaves |= {f"{name}.{key}": value for key, value in below.items()}
    return leaves, above


def types_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """The recipe types inside an annotation: members of unions, lists and optionals."""
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        if issubclass(annotation, BaseModel):
            yield annotation
        return
    for argument in typing.get_args(annotation):
        yield from types_in(argument)


@pytest.mark.parametrize("section", TYPES)
def test_every_key_is_described_with_its_default(section: str) -> None:
    leaves, above = keys_of(TYPES[section])
    rows = described().get(section, {})
    assert set(leaves) - set(rows) == set(), "keys that docs/recipe.md does not describe"
    assert set(rows) - set(leaves) - above == set(), "keys that docs/recipe.md describes and no recipe has"
    for key, field in leaves.items():
        default = None if field.is_required() else field.get_default(call_default_factory=True)
        if field.is_required():
            assert rows[key] == "required", key
        elif default is None or default == [] or isinstance(default, BaseModel):
            assert rows[key], key
            assert not rows[key].startswith(("`", "required")), key
        else:
            assert yaml.safe_load(rows[key].strip("`")) == default, key


def test_the_walk_sees_keys_at_every_depth() -> None:
    """A walk that stopped early would find everything described."""
    leaves, above = keys_of(RunConfig)
    assert {
        "data.columns.text",
        "teacher.train.layer_drop",
        "benchmark.seconds",
        "gates.max_size_mb",
    } <= set(leaves)
    assert {"data", "teacher.train"} <= above
    assert "matches.loss" in keys_of(METHODS["match"])[0]
    assert "assistant.layers" in keys_of(METHODS["minilm"])[0]
    assert sum(len(rows) for rows in described().values()) > 100


def yaml_blocks() -> list[tuple[str, str]]:
    return [(path.name, block) for path in DOCS for block in YAML.findall(path.read_text(encoding="utf-8"))]


@pytest.mark.parametrize(("name", "block"), yaml_blocks())
def test_every_part_of_a_recipe_that_is_shown_fits(name: str, block: str) -> None:
    """What a block leaves out is taken from the shortest recipe."""
    shown = yaml.safe_load(block)
    shortest = {
        "data": {"path": "texts.csv"},
        "teacher": {"model": "owner/model"},
        "student": {"layers": 3},
        "distill": [{"method": "logits"}],
    }
    if "student" not in shown and "distill" not in shown and "teacher" in shown and "data" in shown:
        del shortest["student"], shortest["distill"]
    for part in ("data", "teacher"):
        if isinstance(shown.get(part), dict):
            shown[part] = {**shortest[part], **shown[part]}
    check_recipe({**shortest, **shown}, source=name)


def commands() -> list[tuple[str, str]]:
    return [(path.name, line) for path in DOCS for line in COMMAND.findall(path.read_text(encoding="utf-8"))]


@pytest.mark.parametrize(("name", "line"), commands())
def test_every_command_that_is_shown_is_known(name: str, line: str) -> None:
    words = shlex.split(line.partition(" > ")[0])
    known = typer.main.get_command(app).commands
    assert words[0] in known, line
    options = {option for parameter in known[words[0]].params for option in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= options, line
    for word in words:
        if word.startswith("recipes/"):
            assert (ROOT / word).is_file(), line


def mapped() -> set[str]:
    """The files and folders in the map of docs/architecture.md, which is indented by two for each folder."""
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    lines = text.partition("## Where to find what")[2].partition("## ")[0].splitlines()
    above: dict[int, str] = {4: ""}
    found = set()
    for line in filter(None, map(NAMES.match, lines)):
        depth, names = len(line[1]), line[2].split(", ")
        found |= {above[depth] + name for name in names}
        above[depth + 2] = above[depth] + (names[0] if names[0].endswith("/") else "")
    return found


def test_the_map_of_the_code_is_true() -> None:
    named = mapped()
    assert "compress/distill/losses.py" in named
    assert [name for name in named if not (ROOT / name).exists()] == []
    folders = {f"compress/{path.parent.name}/" for path in (ROOT / "compress").glob("*/__init__.py")}
    assert folders - named == set(), "folders that docs/architecture.md does not name"
