"""From YAML, or a mapping, and `--set` to a `RunConfig`; every fault at once, with its place."""

import difflib
import types
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, Tag, ValidationError
from pydantic_core import ErrorDetails

from compress.errors import RecipeError
from compress.general.recipe import GeneralConfig
from compress.recipe import RunConfig
from serve.errors import UserError

Place = tuple[int | str, ...]
Recipe = RunConfig | GeneralConfig  # general distillation has a recipe of its own


def read_recipe(path: Path, overrides: Sequence[str] = ()) -> Recipe:
    """The recipe in a YAML file with `--set` overrides (`student.layers=4`) applied."""
    if not path.is_file():
        near = difflib.get_close_matches(path.name, [file.name for file in _recipes_beside(path)], n=1)
        raise UserError(
            f"no recipe at {path}",
            "a YAML file",
            f"did you mean {path.parent / near[0]}?"
            if near
            else "`compress init` writes one from your data and model",
        )
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path} is not UTF-8 text ({error})", "a YAML file in UTF-8", "save it as UTF-8"
        ) from None
    try:
        values = yaml.load(text, _OnceEach)  # noqa: S506 - a SafeLoader
        lines = _line_numbers(text)
    except yaml.YAMLError as error:
        raise UserError(
            f"{path} is not valid YAML:\n  {str(error).replace(chr(10), chr(10) + '  ')}",
            "YAML",
            "mend the line above; indent with spaces, and quote texts that hold `: `",
        ) from None
    if not isinstance(values, dict):
        raise UserError(
            f"{path} holds {'nothing' if values is None else type(values).__name__}",
            "a mapping with data: and teacher:",
            "start from `compress init` or from a file in recipes/",
        )
    return check_recipe(values, overrides, source=str(path), lines=lines)


def check_recipe(
    values: Mapping[str, object],
    overrides: Sequence[str] = (),
    source: str = "recipe",
    lines: Mapping[Place, int] | None = None,
) -> Recipe:
    """The recipe that a mapping describes; raises `RecipeError` with every fault at once."""
    merged = _plain_copy(values)
    for override in overrides:
        _apply(merged, override)
    kind = GeneralConfig if merged.get("task") == "fill-mask" else RunConfig
    try:
        return kind.model_validate(merged)
    except ValidationError as error:
        raise RecipeError(
            source, [_fault(details, lines or {}, kind) for details in error.errors()]
        ) from None


class _OnceEach(yaml.SafeLoader):
    """Refuses a key that is given twice, of which YAML would silently keep the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[object] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} is given twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep=deep)


def _recipes_beside(path: Path) -> list[Path]:
    return sorted(path.parent.glob("*.y*ml")) if path.parent.is_dir() else []


def _plain_copy(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain_copy(item) for key, item in value.items()}
    return [_plain_copy(item) for item in value] if isinstance(value, list) else value


def _apply(values: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key.strip():
        raise UserError(f"--set {override}", "KEY=VALUE", "for example --set student.layers=4")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        value = text
    *parents, last = key.strip().split(".")
    place: Any = values
    for depth, part in enumerate(parents):
        following = _child(place, part, override)
        if following is None:
            following = {}
            place[_index(place, part, override) if isinstance(place, list) else part] = following
        elif not isinstance(following, dict | list):
            raise UserError(
                f"--set {override}: {'.'.join(parents[: depth + 1])} is {following!r}, which has no keys",
                "a key that exists or can be added",
                "set the whole of it, for example --set student='{layers: 3}'",
            )
        place = following
    if isinstance(place, list):
        place[_index(place, last, override)] = value
    else:
        place[last] = value


def _child(place: Any, part: str, override: str) -> Any:
    return place[_index(place, part, override)] if isinstance(place, list) else place.get(part)


def _index(items: list[Any], part: str, override: str) -> int:
    if not part.isdigit() or int(part) >= len(items):
        raise UserError(
            f"--set {override}: {part!r} is no entry of a list with {len(items)}",
            f"a number from 0 to {len(items) - 1}" if items else "a list that has entries",
            "for example --set distill.0.epochs=2",
        )
    return int(part)


def _line_numbers(text: str) -> dict[Place, int]:
    lines: dict[Place, int] = {}

    def walk(node: yaml.Node, place: Place) -> None:
        lines.setdefault(place, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                lines[(*place, key.value)] = key.start_mark.line + 1
                walk(value, (*place, key.value))
        elif isinstance(node, yaml.SequenceNode):
            for index, value in enumerate(node.value):
                walk(value, (*place, index))

    root = yaml.compose(text, Loader=yaml.SafeLoader)
    if root is not None:
        walk(root, ())
    return lines


def _fault(details: ErrorDetails, lines: Mapping[Place, int], kind: type[BaseModel]) -> str:
    place = details["loc"]
    message = details["msg"].removeprefix("Value error, ")
    found = details["input"]
    if details["type"] == "extra_forbidden":
        known = _fields_at(place[:-1], kind)
        near = difflib.get_close_matches(str(place[-1]), known, n=1)
        message = "no such key" + (f"; did you mean {near[0]}?" if near else f"; known: {', '.join(known)}")
    elif details["type"] == "missing":
        message = "is missing"
    elif details["type"] == "union_tag_invalid":
        context = details["ctx"]
        tags = [tag.strip(" '") for tag in context["expected_tags"].split(",")]
        near = difflib.get_close_matches(context["tag"], tags, n=1)
        message = (
            f"no such {context['discriminator'].strip(chr(39))}: {context['tag']}; built: {', '.join(tags)}"
        )
        message += f"; did you mean {near[0]}?" if near else ""
    elif not isinstance(found, dict | list) and details["type"] != "value_error":
        message += f" (found {found!r})"
    written = _yaml_place(place, lines)
    where = f"line {lines[written]}: " if written else ""
    return f"{where}{_spoken(place, kind)}: {message}"


def _yaml_place(place: Place, lines: Mapping[Place, int]) -> Place:
    """The longest prefix of a pydantic place that the file has, without the tags of unions."""
    kept: Place = ()
    for part in place:
        if (*kept, part) in lines:
            kept = (*kept, part)
    return kept


def _spoken(place: Place, kind: type[BaseModel]) -> str:
    return ".".join(map(str, _walk(place, kind)[0])) or "recipe"


def _walk(place: Place, kind: type[BaseModel]) -> tuple[Place, Any]:
    """The place as it is written, without the tags that pydantic adds for unions; and the type that is there."""
    here: Any = kind
    written: Place = ()
    for part in place:
        marked = _marked(here, part)
        if marked is not None:
            here = marked
            continue
        members = _members(here)
        tagged = [member for member in members if _has_tag(member, part)]
        if tagged:
            here = tagged[0]
            continue
        if (
            isinstance(part, str) and not members
        ):  # a branch of a union of plain types: constrained-int, list[str]
            continue
        if str(part).startswith(("list[", "dict[", "literal[", "<")):
            continue
        written = (*written, part)
        for member in members:
            if part in (fields := _by_alias(member)):
                here = fields[str(part)]
                break
    return written, here


def _fields_at(place: Place, kind: type[BaseModel]) -> list[str]:
    """The names that are known at a place of the recipe."""
    return sorted({name for member in _members(_walk(place, kind)[1]) for name in _by_alias(member)})


def _by_alias(model: type[BaseModel]) -> dict[str, Any]:
    return {field.alias or name: field.annotation for name, field in model.model_fields.items()}


def _members(annotation: Any) -> list[type[BaseModel]]:
    """Every recipe type inside an annotation: the members of unions, lists and optionals."""
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        return [annotation] if issubclass(annotation, BaseModel) else []
    return [member for argument in typing.get_args(annotation) for member in _members(argument)]


def _marked(annotation: Any, tag: int | str) -> Any:
    """The member of a union that a recipe type marks with this tag."""
    arguments = typing.get_args(annotation)
    if any(isinstance(argument, Tag) and argument.tag == tag for argument in arguments):
        return arguments[0]
    found = (_marked(argument, tag) for argument in arguments)
    return next((member for member in found if member is not None), None)


def _has_tag(model: type[BaseModel], tag: int | str) -> bool:
    method = model.model_fields.get("method")
    return method is not None and tag in typing.get_args(method.annotation)
