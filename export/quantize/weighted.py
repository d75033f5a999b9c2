"""The nodes of a graph that hold weights: what a quantiser can make smaller."""

from dataclasses import dataclass

import onnx

# `Gather` is the embedding table: two thirds of a small student's file. The opset-23 `Attention` holds no weights
# and stays float.
OPERATORS = ("MatMul", "Gemm", "Gather")


@dataclass(frozen=True)
class Weighted:
    """A node with a matrix of its own."""

    name: str
    kind: str  # one of OPERATORS
    given: str  # the tensor that the weights are applied to: activations, or the ids of a table
    weight: str
    output: str
    shape: tuple[int, int]  # of the matrix, as it is stored


def weighted_nodes(graph: onnx.GraphProto) -> list[Weighted]:
    """The nodes of `OPERATORS` whose weights are a float matrix in the file, in the order of the graph."""
    shapes = {
        tensor.name: tuple(tensor.dims)
        for tensor in graph.initializer
        if len(tensor.dims) == 2 and tensor.data_type == onnx.TensorProto.FLOAT
    }
    found = []
    for node in graph.node:
        if node.op_type not in OPERATORS:
            continue
        weight, given = node.input[:2] if node.op_type == "Gather" else reversed(node.input[:2])
        if weight in shapes:
            rows, columns = shapes[weight]
            found.append(Weighted(node.name, node.op_type, given, weight, node.output[0], (rows, columns)))
    return found
