"""The int8 file of a model that was trained with rounding."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from small_models import HERE, seen_while_training, small_model, torch_forward
from torch import nn
from transformers import PreTrainedModel

from compress.training.fake_quantization import fake_quantized
from export.model import OnnxModel
from export.proof import ProofError
from export.quantize import Qat
from export.quantize.circumstances import Circumstances, Feed
from export.quantize.qat import LearnedRanges, fingerprint
from export.quantize.ranges import Range
from export.quantize.weighted import weighted_nodes
from serve.session import open_session


def learned(model: PreTrainedModel, ranges: LearnedRanges) -> dict[str, Range]:
    weights = model.state_dict()
    return {fingerprint(weights[f"{name}.weight"].numpy()): values for name, values in ranges.items()}


def test_the_int8_file_answers_as_the_model_did_while_it_rounded(
    exported: OnnxModel, feeds: list[Feed], tmp_path: Path
) -> None:
    """The file is far nearer to the model with rounding than to the one without, embeddings (never learnt) aside."""
    model = small_model("bert")
    forward, ranges = torch_forward(model), LearnedRanges()
    plain = np.concatenate([forward(feed) for feed in feeds])
    with fake_quantized(model, ranges, reduce_range=HERE.saturates):
        seen_while_training(model, feeds)
        rounded = np.concatenate([forward(feed) for feed in feeds])
    nodes = weighted_nodes(onnx.load(str(exported.path)).graph)
    embeddings = frozenset(node.name for node in nodes if node.kind == "Gather")
    known = replace(HERE, feeds=feeds, learned=learned(model, ranges), keep_float=embeddings)
    small = Qat().quantize(exported, tmp_path / "small.onnx", known)
    session = open_session(small.path, 3, threads=1)
    answers = np.concatenate([session.run(dict(feed)) for feed in feeds])
    size = float(np.abs(plain).mean())
    assert np.abs(answers - plain).mean() / size > 0.01
    assert np.abs(answers - rounded).mean() < 0.35 * np.abs(answers - plain).mean()


def test_the_learned_range_is_taken_and_not_what_calibration_would_give(
    exported: OnnxModel, feeds: list[Feed], tmp_path: Path
) -> None:
    """Of every linear layer of the graph, by its weights."""
    model = small_model("bert")
    ranges = {
        name: (-3.0 - number, 5.0 + number)
        for number, (name, one) in enumerate(model.named_modules())
        if isinstance(one, nn.Linear)
    }
    known = Circumstances(feeds=feeds, learned=learned(model, ranges))
    small = Qat().quantize(exported, tmp_path / "small.onnx", known)
    graph = onnx.load(str(small.path)).graph
    values = {one.name: numpy_helper.to_array(one) for one in graph.initializer}
    products = [one for one in weighted_nodes(onnx.load(str(exported.path)).graph) if one.kind != "Gather"]
    scales = {
        name.removesuffix("_scale"): float(value) * 255
        for name, value in values.items()
        if name.endswith("_scale") and value.ndim == 0
    }
    widths = {high - low for low, high in ranges.values()}
    found = {round(scales[one.given], 3) for one in products if one.given in scales}
    assert len({one.given for one in products}) >= 8
    assert {one.given for one in products} <= scales.keys()
    assert found <= {round(width, 3) for width in widths}


def test_ranges_of_another_model_are_refused(exported: OnnxModel, feeds: list[Feed], tmp_path: Path) -> None:
    known = Circumstances(feeds=feeds, learned={fingerprint(np.ones((3, 3), np.float32)): (-1.0, 1.0)})
    with pytest.raises(ProofError, match="none of the ranges that the training gave belongs to this graph"):
        Qat().quantize(exported, tmp_path / "small.onnx", known)
    assert list(tmp_path.iterdir()) == []
