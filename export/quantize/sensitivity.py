"""How much each weighted node's output suffers from int8, on calibration texts and by itself.

The node's float inputs are rounded as a quantiser rounds them and its output is held against the float one, so
a node does not answer for the nodes before it.
"""

from collections.abc import Sequence

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from export.quantize.calibration import inside
from export.quantize.circumstances import Feed
from export.quantize.weighted import weighted_nodes

Matrix = NDArray[np.float32]


def output_errors(model: onnx.ModelProto, feeds: Sequence[Feed]) -> dict[str, float]:
    """By name of the node, worst first: root mean square of the output's error over that of the output.

    Weights are rounded per output channel to signed 8 bits, activations and tables per tensor to unsigned ones.
    """
    nodes = weighted_nodes(model.graph)
    matrices = {
        tensor.name: numpy_helper.to_array(tensor)
        for tensor in model.graph.initializer
        if tensor.name in {node.weight for node in nodes}
    }
    errors = {
        node.name: _relative(matrices[node.weight], _round_tensor(matrices[node.weight]))
        for node in nodes
        if node.kind == "Gather"
    }
    products = [node for node in nodes if node.kind != "Gather"]
    transposed = {
        node.name: any(attribute.name == "transB" and attribute.i for attribute in node.attribute)
        for node in model.graph.node
    }
    sums = {node.name: np.zeros(2) for node in products}
    rounded: dict[str, tuple[Matrix, Matrix]] = {}
    for node in products:
        weight = matrices[node.weight].T if transposed[node.name] else matrices[node.weight]
        rounded[node.name] = weight, _round_channels(weight)
    for given, values in inside(model, {node.given: max(node.shape) for node in products}, feeds):
        for node in (one for one in products if one.given == given):
            weight, small = rounded[node.name]
            expected = values @ weight
            found = _round_tensor(values) @ small
            sums[node.name] += np.square(found - expected).sum(), np.square(expected).sum()
    errors |= {name: float(np.sqrt(wrong / max(total, 1e-12))) for name, (wrong, total) in sums.items()}
    return dict(sorted(errors.items(), key=lambda item: -item[1]))


def _relative(expected: Matrix, found: Matrix) -> float:
    return float(np.linalg.norm(found - expected) / max(float(np.linalg.norm(expected)), 1e-12))


def _round_tensor(values: Matrix) -> Matrix:
    """To unsigned 8 bits and back, one scale for all."""
    low, high = min(float(values.min()), 0.0), max(float(values.max()), 0.0)
    scale = max(high - low, 1e-12) / 255
    zero = round(-low / scale)
    return np.asarray((np.clip(np.round(values / scale) + zero, 0, 255) - zero) * scale, np.float32)


def _round_channels(weight: Matrix) -> Matrix:
    """To signed 8 bits and back, one scale for each column."""
    scale = np.maximum(np.abs(weight).max(axis=0, keepdims=True), 1e-12) / 127
    return np.asarray(np.clip(np.round(weight / scale), -127, 127) * scale, np.float32)
