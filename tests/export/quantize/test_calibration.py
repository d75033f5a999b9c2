"""Calibration in bounded memory: ONNX Runtime's own collector keeps every tensor of every text."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

from export.model import OnnxModel
from export.quantize import Static
from export.quantize.calibration import CEILING, _groups, inside
from export.quantize.circumstances import Circumstances, Feed
from export.quantize.weighted import weighted_nodes

ROOT = Path(__file__).parents[3]

# 512 texts of 512 tokens through a graph whose tensors, all kept, would take 512 * 512 * 128 * 4 * 8 bytes: 1.1 GB.
MEASURED = """
import resource, sys
from pathlib import Path
import numpy as np, onnx
from onnx import TensorProto, helper, numpy_helper
from export.model import OnnxModel
from export.quantize import Static
from export.quantize.circumstances import Circumstances

random = np.random.default_rng(0)
width, layers = 128, 8
nodes, weights = [], [numpy_helper.from_array(random.normal(size=(50, width)).astype(np.float32), "table")]
nodes.append(helper.make_node("Gather", ["table", "input_ids"], ["h0"], name="table"))
for layer in range(layers):
    weight = random.normal(0, width**-0.5, (width, width)).astype(np.float32)
    weights.append(numpy_helper.from_array(weight, f"w{layer}"))
    nodes.append(helper.make_node("MatMul", [f"h{layer}", f"w{layer}"], [f"h{layer + 1}"], name=f"m{layer}"))
nodes.append(helper.make_node("Identity", [f"h{layers}"], ["logits"], name="out"))
graph = helper.make_graph(nodes, "long",
    [helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["texts", "tokens"])],
    [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["texts", "tokens", width])], weights)
folder = Path(sys.argv[1])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 23)], ir_version=11)
onnx.save(model, str(folder / "model.onnx"))
feeds = [{"input_ids": random.integers(0, 50, (1, 512))} for _ in range(int(sys.argv[3]))]
import onnxruntime.quantization.qdq_quantizer  # its memory is not calibration's
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
Static(calibration=sys.argv[2]).quantize(
    OnnxModel(folder / "model.onnx", "fp32", 23), folder / "small.onnx", Circumstances(feeds=feeds))
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in kilobytes on Linux")
def test_512_long_texts_stay_under_the_ceiling(tmp_path: Path) -> None:
    """All tensors of the 512 texts together are 1.1 GB; calibration takes a small part of that, and 1.5 GiB never."""
    command = [sys.executable, "-c", MEASURED, str(tmp_path), "percentile", "512"]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert float(found.stdout.split()[-1]) < 200  # MiB


def test_tensors_are_computed_in_groups_that_fit() -> None:
    widths = {f"t{number}": 1000 for number in range(10)}
    groups = _groups(widths, longest=100, ceiling=3 * 4 * 1000 * 100)
    assert [len(group) for group in groups] == [3, 3, 3, 1]
    assert [name for group in groups for name in group] == list(widths)
    assert [len(group) for group in _groups({"huge": CEILING, "small": 1}, 100, CEILING)] == [1, 1]


def test_groups_give_the_same_values_as_all_at_once(exported: OnnxModel, feeds: list[Feed]) -> None:
    model = onnx.load(str(exported.path))
    widths = {node.given: max(node.shape) for node in weighted_nodes(model.graph) if node.kind != "Gather"}
    at_once = list(inside(model, widths, feeds[:2]))
    grouped = list(inside(model, widths, feeds[:2], ceiling=1))
    assert len(at_once) == len(grouped) == 2 * len(widths)
    for name in widths:
        expected, found = ([values for one, values in given if one == name] for given in (at_once, grouped))
        assert [values.shape for values in found] == [values.shape for values in expected]
        assert all(np.allclose(one, other, atol=1e-4) for one, other in zip(expected, found, strict=True))
    assert [value.name for value in model.graph.output] == ["logits"]  # as it was


def test_only_so_many_texts_are_read_as_asked(exported: OnnxModel, feeds: list[Feed], tmp_path: Path) -> None:
    def scales(texts: int) -> list[float]:
        known = Circumstances(feeds=feeds)
        small = Static(calibration_texts=texts).quantize(exported, tmp_path / "small.onnx", known)
        graph = onnx.load(str(small.path)).graph
        return [
            float(np.frombuffer(one.raw_data, np.float32)[0]) if one.raw_data else one.float_data[0]
            for one in graph.initializer
            if one.name.endswith("_scale") and not one.dims
        ]

    assert scales(1) != scales(len(feeds))
