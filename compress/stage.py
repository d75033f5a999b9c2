"""Stages on disk: each has a folder named for its inputs, and a manifest written last.

A stage whose manifest is there is complete and is never done again; one without it was cut off, and what
lies in its folder (a training's checkpoints) is gone on from. A changed input is another folder.
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

MANIFEST = "stage.json"


def digest_of(inputs: Mapping[str, object]) -> str:
    """Hex digest of what a stage is made from, the version of this code included."""
    try:
        code = version("compress-toolchain")
    except PackageNotFoundError:
        code = "source"
    text = json.dumps({"code": code, **inputs}, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Stage:
    """One stage's folder."""

    folder: Path
    digest: str

    @property
    def is_complete(self) -> bool:
        """It was carried to its end with these very inputs."""
        file = self.folder / MANIFEST
        return file.is_file() and json.loads(file.read_text(encoding="utf-8"))["digest"] == self.digest

    @property
    def facts(self) -> dict[str, object]:
        """What the stage noted when it was completed."""
        document = json.loads((self.folder / MANIFEST).read_text(encoding="utf-8"))
        return dict(document["facts"])

    def reopen(self) -> None:
        """Make the next run do this stage again; what it made stays readable until then."""
        (self.folder / MANIFEST).unlink()

    def complete(self, facts: Mapping[str, object]) -> None:
        """Write the manifest, in one step."""
        write_json(self.folder / MANIFEST, {"digest": self.digest, "facts": dict(facts)})


@dataclass(frozen=True)
class Stages:
    """The folder of a run."""

    root: Path

    def open(self, name: str, inputs: Mapping[str, object]) -> Stage:
        """The stage of this name for these inputs; its folder exists."""
        digest = digest_of(inputs)
        folder = self.root / f"{name}-{digest[:10]}"
        folder.mkdir(parents=True, exist_ok=True)
        return Stage(folder, digest)

    def do(
        self, name: str, inputs: Mapping[str, object], work: Callable[[Path], Mapping[str, object]]
    ) -> Stage:
        """The complete stage; `work` fills the folder and returns facts, and is called only where needed."""
        stage = self.open(name, inputs)
        if not stage.is_complete:
            stage.complete(work(stage.folder))
        return stage

    def forget(self) -> None:
        """Remove everything that was done."""
        shutil.rmtree(self.root, ignore_errors=True)


def write_json(path: Path, document: object) -> None:
    """Write JSON under a temporary name, then rename."""
    write_text(path, json.dumps(document, indent=2, ensure_ascii=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write a text under a temporary name, then rename."""
    temporary = path.with_name(path.name + ".part")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)
