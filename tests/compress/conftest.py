"""A tiny task, a tiny encoder and one finished tiny run, shared by the tests that need a real chain."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from exported_once import export_once
from tiny import TinyRun, save_tiny_encoder, tiny_recipe, tiny_rows, write_csv

import compress


@pytest.fixture(scope="session", autouse=True)
def _latency_is_measured_once() -> Iterator[None]:
    """Beside busy neighbours rounds are repeated; in tests, which are each other's neighbours, for nothing."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("compress.judge.latency._REPEATS", 1)
        patch.setattr("compress.judge.batches._ROUNDS", 1)
        yield


@pytest.fixture(scope="session", autouse=True)
def _models_of_one_shape_are_exported_once() -> Iterator[None]:
    """Every file is still proven against PyTorch; what the exporter itself must do is held in tests/export."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("export.candidates.to_onnx", export_once)
        yield


@pytest.fixture(scope="session")
def tiny_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny-data")
    write_csv(folder / "train.csv", tiny_rows(600, seed=1))
    write_csv(folder / "test.csv", tiny_rows(150, seed=2))
    return folder


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_encoder(tmp_path_factory.mktemp("tiny-encoder"))


@pytest.fixture(scope="session")
def tiny_run(tiny_data: Path, tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> TinyRun:
    recipe = tiny_recipe(tiny_data, tiny_encoder)
    folder = tmp_path_factory.mktemp("tiny-run")
    return TinyRun(recipe, folder, compress.run(recipe, out=folder))
