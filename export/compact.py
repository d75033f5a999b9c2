"""The same graph in fewer operators, where the exporter wrote down what the `Attention` operator does itself.

The exporter splits queries, keys and values into heads before each `Attention` and joins the heads afterwards: four
copies and a dozen operators a layer. Told the number of heads, the operator takes and gives (batch, tokens, width).
ONNX Runtime then reads the heads where they lie, and its own fusions find the sum and the normalisation that follow.
"""

from collections.abc import Mapping

import onnx
from transformers import PreTrainedConfig

from export.forms import STANDARD
from export.steps import Step

_SPLIT = [0, 2, 1, 3]  # (batch, tokens, heads, width of a head) to (batch, heads, tokens, ...), and back


def whole_heads(graph: onnx.ModelProto, config: PreTrainedConfig) -> onnx.ModelProto:
    """Give every `Attention` its inputs as they were before they were split into heads.

    One whose inputs are made otherwise (by rotary embeddings, say) stays as it is.
    """
    heads = int(getattr(config, "n_heads", 0) or getattr(config, "num_attention_heads", 0))
    made_by = {name: node for node in graph.graph.node for name in node.output}
    read_by: dict[str, list[onnx.NodeProto]] = {}
    for node in graph.graph.node:
        for name in node.input:
            read_by.setdefault(name, []).append(node)
    for node in graph.graph.node:
        if node.op_type != "Attention" or node.domain != STANDARD:
            continue
        whole = [name for split in node.input[:3] if (name := _before_split(split, made_by))]
        joined = _joined(node.output[0], read_by)
        if len(whole) < len(node.input[:3]) or joined is None:
            continue
        node.input[:3] = whole
        node.output[0] = joined.output[0]
        joined.output[0] += "_unused"
        node.attribute.extend(
            onnx.helper.make_attribute(name, heads) for name in ("q_num_heads", "kv_num_heads")
        )
    _drop_unused(graph.graph)
    return graph


STEPS: Mapping[str, Step] = {"attention without splitting its inputs": whole_heads}


def _before_split(name: str, made_by: Mapping[str, onnx.NodeProto]) -> str | None:
    """The x of `Transpose(Reshape(x))`."""
    transpose = made_by.get(name)
    if transpose is None or transpose.op_type != "Transpose" or _permutation(transpose) != _SPLIT:
        return None
    reshape = made_by.get(transpose.input[0])
    return reshape.input[0] if reshape is not None and reshape.op_type == "Reshape" else None


def _joined(name: str, read_by: Mapping[str, list[onnx.NodeProto]]) -> onnx.NodeProto | None:
    """The last node of `Reshape(Transpose(y))`, where nothing else reads on the way."""
    transpose = _only_reader(name, "Transpose", read_by)
    if transpose is None or _permutation(transpose) != _SPLIT:
        return None
    return _only_reader(transpose.output[0], "Reshape", read_by)


def _only_reader(name: str, kind: str, read_by: Mapping[str, list[onnx.NodeProto]]) -> onnx.NodeProto | None:
    readers = read_by.get(name, [])
    return readers[0] if len(readers) == 1 and readers[0].op_type == kind else None


def _permutation(node: onnx.NodeProto) -> list[int]:
    return [axis for attribute in node.attribute if attribute.name == "perm" for axis in attribute.ints]


def _drop_unused(graph: onnx.GraphProto) -> None:
    """Take out the nodes, constants and notes on shapes that nothing reads any more."""
    outputs = {value.name for value in graph.output}
    while True:
        read = outputs | {name for node in graph.node for name in node.input if name}
        kept = [node for node in graph.node if read.intersection(node.output)]
        if len(kept) == len(graph.node):
            break
        del graph.node[:]
        graph.node.extend(kept)
    for field in (graph.initializer, graph.value_info):
        left = [entry for entry in field if entry.name in read]
        del field[:]
        field.extend(left)
