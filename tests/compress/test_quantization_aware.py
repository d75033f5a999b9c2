"""`quantize: {method: qat}`: the student trains on with rounding, and what it learnt there is what ships."""

import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from mistakes import require, run_refused
from onnx import numpy_helper
from small_models import small_model
from tiny import TinyRun, answers_on_disk
from trainings import RaggedRows, WordsLesson, words_session

import compress
from compress.judge.report import Report
from compress.training.fake_quantization import fake_quantized
from compress.training.loop import CHECKPOINTS, train
from compress.training.options import TrainOptions
from export.quantize.qat import LEARNED_RANGES, LearnedRanges


@pytest.fixture(scope="module")
def run(tiny_run: TinyRun, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Report]:
    folder = tmp_path_factory.mktemp("qat")
    for stage in tiny_run.folder.glob("stages/*"):
        if stage.name.startswith(("teacher", "student-start", "student-1")):
            shutil.copytree(stage, folder / "stages" / stage.name)
    recipe = {**tiny_run.recipe, "quantize": {"method": "qat", "epochs": 2, "learning_rate": 1e-3}}
    recipe["benchmark"] = {"seconds": 1, "texts": 10, "threads": 1}
    report = compress.run(recipe, out=folder)
    assert isinstance(report, Report)
    return folder, report


def test_the_student_trains_once_more_and_ships_as_static_int8(
    run: tuple[Path, Report], tiny_run: TinyRun
) -> None:
    folder, report = run
    assert {"student-1-logits", "student-qat"} <= report.seconds.keys()
    shipped = report.models[-1]
    assert (shipped.name, shipped.precision) == ("student", "int8")
    assert shipped.size_mb < report.models[-2].size_mb
    manifest = json.loads((folder / "bundle/bundle.json").read_text())
    assert manifest["batching"] == "batch"  # ranges that do not depend on the batch
    assert report.invariance is not None
    assert report.invariance.flips == 0
    answers = answers_on_disk(folder)
    flips = answers["student onnxruntime int8"].argmax(1) != answers["student onnxruntime fp32"].argmax(1)
    assert flips.mean() < 0.1


def test_the_file_holds_the_ranges_of_the_training(run: tuple[Path, Report]) -> None:
    folder, _ = run
    (kept,) = folder.glob(f"stages/student-qat-*/{LEARNED_RANGES}")
    ranges = json.loads(kept.read_text())
    assert any(name.endswith("attention.self.query") for name in ranges)
    graph = onnx.load(str(folder / "bundle/onnx/model_quantized.onnx")).graph
    scales = [
        float(value) * 255
        for value in map(
            numpy_helper.to_array, (one for one in graph.initializer if one.name.endswith("_scale"))
        )
        if value.ndim == 0
    ]
    for low, high in ranges.values():
        assert np.isclose(scales, high - low, rtol=1e-4).any()


def test_a_training_that_was_cut_off_goes_on_with_its_ranges(tmp_path: Path) -> None:
    """From the middle to the same weights and ranges as without a break."""

    def finish(folder: Path) -> tuple[dict[str, np.ndarray], LearnedRanges]:
        torch.manual_seed(3)
        model, ranges = small_model("bert"), LearnedRanges()
        options = TrainOptions(epochs=4, batch_size=2, learning_rate=1e-3, checkpoint_steps=8)
        with fake_quantized(model, ranges):
            train(WordsLesson(model), RaggedRows(), None, options, words_session(folder))
        return {name: value.detach().numpy().copy() for name, value in model.named_parameters()}, ranges

    whole_weights, whole_ranges = finish(tmp_path / "whole")
    shutil.copytree(
        tmp_path / "whole" / CHECKPOINTS / "checkpoint-8", tmp_path / "cut" / CHECKPOINTS / "checkpoint-8"
    )
    weights, ranges = finish(tmp_path / "cut")
    assert len(ranges) > 10
    assert ranges == whole_ranges
    assert all(np.array_equal(weights[name], whole_weights[name]) for name in whole_weights)


def test_without_a_student_there_is_nothing_to_train(tiny_run: TinyRun, tmp_path: Path) -> None:
    recipe = {"data": tiny_run.recipe["data"], "teacher": tiny_run.recipe["teacher"]}
    message = run_refused({**recipe, "quantize": {"method": "qat"}}, tmp_path)
    require(message, "qat trains what it quantises", "there is no student:", "take method: static")
