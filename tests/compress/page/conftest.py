"""What the tests of what people read share."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def altered(bundle_folder: Path, tmp_path: Path) -> Callable[[], Path]:
    """Makes a copy of the bundle, one byte of which is another."""

    def alter() -> Path:
        folder = shutil.copytree(bundle_folder, tmp_path / "altered")
        path = folder / "onnx" / "model.onnx"
        content = bytearray(path.read_bytes())
        content[-1] ^= 1
        path.write_bytes(content)
        return folder

    return alter
