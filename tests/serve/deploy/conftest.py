"""Bundles to be deployed."""

import hashlib
import json
import shutil
from pathlib import Path

import pytest
from batch_graphs import depend_on_the_batch
from deployed import alter


@pytest.fixture(scope="session")
def lone_bundle(bundle_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle whose answers depend on their batch, and which therefore says one_by_one."""
    folder = shutil.copytree(bundle_folder, tmp_path_factory.mktemp("lone") / "bundle")
    model = folder / "onnx/model.onnx"
    depend_on_the_batch(model, "Add")
    manifest = json.loads((folder / "bundle.json").read_text())
    content = model.read_bytes()
    manifest["files"]["onnx/model.onnx"] = {
        "sha256": hashlib.sha256(content).hexdigest(),
        "size_bytes": len(content),
    }
    alter(folder, batching="one_by_one", opset=18, files=manifest["files"])
    return folder
