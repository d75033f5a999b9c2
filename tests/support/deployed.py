"""Bundles altered for tests of `compress export-serving`."""

import json
from pathlib import Path


def alter(folder: Path, **entries: object) -> None:
    """Put other entries into a bundle's manifest."""
    path = folder / "bundle.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | entries))
