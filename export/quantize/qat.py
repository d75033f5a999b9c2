"""Static int8 of a model that was trained to bear it, by the ranges that its training has found.

The training is the caller's: it hands over the ranges of the model's linear layers, which are found again in the
graph by their weights. A graph with fake quantisation in it is never exported: the dynamo exporter writes it as
float operators.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper
from pydantic import Field, PositiveFloat, PositiveInt

from export.model import OnnxModel
from export.options import Options
from export.proof import ProofError
from export.quantize.calibration import inside
from export.quantize.circumstances import Circumstances
from export.quantize.ranges import MinMax, Range
from export.quantize.static import save_qdq
from export.quantize.weighted import Weighted, weighted_nodes
from serve.bundle import Batching, Precision

LEARNED_RANGES = "ranges.json"  # beside the weights that were trained for int8
LearnedRanges = dict[str, Range]  # of what a linear layer takes, by the layer's name


class Qat(Options):
    """Train on with rounded weights and activations, then quantise both by the ranges of that training."""

    method: Literal["qat"] = "qat"
    epochs: PositiveFloat = 1  # after the last stage of distillation
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 2e-5
    calibration_texts: PositiveInt = 512  # for what the training gave no range

    title: ClassVar[str] = "static int8, trained for it"
    precision: ClassVar[Precision] = "int8"
    bytes_per_parameter: ClassVar[float] = 1.02
    batching: ClassVar[Batching] = "batch"

    def quantize(self, model: OnnxModel, path: Path, circumstances: Circumstances) -> OnnxModel:
        """Write the int8 form of a float file to `path`; raises `ProofError` where no learned range fits it."""
        proto = onnx.load(str(model.path))
        proto.graph.ClearField("value_info")
        nodes = [node for node in weighted_nodes(proto.graph) if node.name not in circumstances.keep_float]
        ranges = _learned(proto.graph, nodes, circumstances.learned)
        if not ranges:
            raise ProofError("quantisation: none of the ranges that the training gave belongs to this graph")
        left = {
            node.given: max(node.shape)
            for node in nodes
            if node.kind != "Gather" and node.given not in ranges
        }
        observers = {name: MinMax() for name in left}
        for name, values in inside(proto, left, circumstances.feeds[: self.calibration_texts]):
            observers[name].see(values)
        ranges |= {name: seen.range() for name, seen in observers.items()}
        save_qdq(proto, nodes, ranges, path, reduce_range=circumstances.saturates)
        return OnnxModel(path, self.precision, model.opset, self.batching)


def fingerprint(weight: NDArray[np.float32]) -> str:
    """By which a linear layer's matrix (out, in) is known in a graph, where names and order may be others."""
    return hashlib.sha256(np.ascontiguousarray(weight, np.float32).tobytes()).hexdigest()


def _learned(graph: onnx.GraphProto, nodes: list[Weighted], learned: Mapping[str, Range]) -> dict[str, Range]:
    """The range of each tensor that the nodes take; the widest where layers disagree."""
    matrices = {tensor.name: tensor for tensor in graph.initializer}
    ranges: dict[str, Range] = {}
    for node in nodes:
        if node.kind == "Gather":
            continue
        matrix = numpy_helper.to_array(matrices[node.weight])
        # (in, out) as a product takes it; `Gemm` may hold it as it was.
        found = learned.get(fingerprint(matrix.T)) or learned.get(fingerprint(matrix))
        if found is not None:
            low, high = ranges.get(node.given, (0.0, 0.0))
            ranges[node.given] = (min(low, found[0]), max(high, found[1]))
    return ranges
