"""What the tests of people's mistakes share (`tests/compress/test_bad_*.py`).

A recipe that would run is spoiled in one way. The command must end with exit code 2 and one message that names
the offending thing, says what was expected and what to do; and it leaves nothing behind.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from command import command

# Changes the recipe in place; what it needs on disk it writes into the folder.
Spoil = Callable[[dict[str, Any], Path], None]


@dataclass(frozen=True)
class Case:
    """A recipe spoiled in one way, and what its message must say."""

    name: str
    spoil: Spoil
    says: tuple[str, ...]
    after_training: bool = False  # the teacher had to answer before it showed, so its stages are kept


def setting(place: str, value: object) -> Spoil:
    """Set one key of the recipe, found by its path with dots."""

    def spoil(recipe: dict[str, Any], _: Path) -> None:
        *parents, last = place.split(".")
        target: Any = recipe
        for part in parents:
            target = target[int(part)] if isinstance(target, list) else target.setdefault(part, {})
        target[last] = value

    return spoil


def check(case: Case, recipe: dict[str, Any], folder: Path) -> None:
    """Spoil the recipe, run it, and see the whole message and an empty run."""
    case.spoil(recipe, folder)
    message = run_refused(recipe, folder)
    require(" ".join(message.split()), *case.says, "expected:", "to do:")
    assert not (folder / "run" / "bundle").exists()
    assert case.after_training or not list(folder.glob("run/stages/*/stage.json"))


def run_refused(recipe: Mapping[str, Any] | str, folder: Path, *options: str) -> str:
    """What is said of a recipe, given as values or as YAML, that is to run in `folder / "run"`."""
    file = folder / "recipe.yaml"
    file.write_text(recipe if isinstance(recipe, str) else json.dumps(recipe))
    return complaint("run", str(file), "--out", str(folder / "run"), *options)


def complaint(*arguments: str) -> str:
    """What `compress` says on stderr, having ended with exit code 2 and without a traceback."""
    ended = command(*arguments)
    assert ended.code == 2, ended.stderr
    assert "Traceback" not in ended.stderr, ended.stderr
    return ended.stderr


def require(message: str, *expected: str) -> None:
    """Every expected piece is in the message."""
    missing = [piece for piece in expected if piece not in message]
    assert not missing, f"{missing} not in:\n{message}"
