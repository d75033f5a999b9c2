"""Altering what lies in a bundle, with or without making its manifest fit again."""

import json
from pathlib import Path
from typing import Any

from serve.bundle import MANIFEST, sha256


def read_rows(folder: Path) -> list[dict[str, Any]]:
    """The rows of evaluation.jsonl."""
    return [json.loads(line) for line in (folder / "evaluation.jsonl").read_text().splitlines()]


def write_rows(folder: Path, rows: list[dict[str, Any]]) -> None:
    """Write evaluation.jsonl."""
    (folder / "evaluation.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def hash_again(folder: Path) -> None:
    """Make the manifest fit what lies in the folder now, as someone who means it would."""
    manifest = json.loads((folder / MANIFEST).read_text())
    for name, entry in manifest["files"].items():
        path = folder / name
        entry |= {"sha256": sha256(path), "size_bytes": path.stat().st_size}
    (folder / MANIFEST).write_text(json.dumps(manifest))
