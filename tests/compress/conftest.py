"""A tiny task, a tiny encoder and one finished tiny run, shared by the tests that need a real chain."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from exported_once import export_once
from made_once import made_once
from tiny import TinyRun, save_tiny_encoder, tiny_recipe, tiny_rows, write_csv

import compress
from compress.judge.latency import Plan
from compress.judge.report import Report

TIMED = "compress.judge.timing"


@pytest.fixture(scope="session", autouse=True)
def _latency_is_measured_shortly() -> Iterator[None]:
    """Rounds are long and repeated to be clean, which they never are here: tests are each other's neighbours.

    For the same reason at one thread: two that share a core with others wait for each other.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("compress.judge.latency._REPEATS", 1)
        patch.setattr("compress.judge.batches._ROUNDS", 1)
        patch.setattr(f"{TIMED}.pilot", lambda *_, **__: Plan(rounds=5, block=5))
        patch.setattr(f"{TIMED}.available_threads", lambda: 1)
        yield


@pytest.fixture(autouse=True)
def _threads_are_as_before() -> Iterator[None]:
    """Of a test that asks PyTorch for two of them, so that those after it do not train for as long again."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session", autouse=True)
def _models_of_one_shape_are_exported_once() -> Iterator[None]:
    """Every file is still proven against PyTorch; what the exporter itself must do is held in tests/export."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("export.candidates.to_onnx", export_once)
        yield


@pytest.fixture(scope="session")
def tiny_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    def write(folder: Path) -> None:
        write_csv(folder / "train.csv", tiny_rows(600, seed=1))
        write_csv(folder / "test.csv", tiny_rows(150, seed=2))

    return made_once("tiny-data", tmp_path_factory, write)


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_once("tiny-encoder", tmp_path_factory, save_tiny_encoder)


@pytest.fixture(scope="session")
def tiny_run(tiny_data: Path, tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> TinyRun:
    """Timed at one thread and at two. A copy for each worker: some tests run again in its folder."""
    recipe = tiny_recipe(tiny_data, tiny_encoder)

    def run(folder: Path) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(f"{TIMED}.available_threads", lambda: 2)
            compress.run(recipe, out=folder)

    made = made_once("tiny-run", tmp_path_factory, run)
    folder = tmp_path_factory.mktemp("tiny-run") / "run"
    shutil.copytree(made, folder)
    report = Report.model_validate_json((folder / "report.json").read_text(encoding="utf-8"))
    return TinyRun(recipe, folder, report)
