"""What can be read off an exported graph without running it."""

from collections.abc import Iterator, Sequence

import onnx
from transformers import PreTrainedConfig

from export.attention import check_attention
from export.forms import STANDARD, Form
from export.proof import ProofError


def check_graph(
    graph: onnx.ModelProto, form: Form, config: PreTrainedConfig, input_names: Sequence[str]
) -> None:
    """Raise `ProofError` where a graph is not of its form.

    Opset and IR as asked, no operators of other domains, inputs by name, both axes dynamic, nothing outside the
    file, as many fused attention operators as the architecture gives.
    """
    opset = next((entry.version for entry in graph.opset_import if entry.domain in {"", "ai.onnx"}), None)
    if opset != form.opset:
        raise ProofError(f"the exporter wrote opset {opset} where {form.opset} was asked for")
    if graph.ir_version != form.ir_version:
        raise ProofError(
            f"the exporter wrote IR version {graph.ir_version} where {form.ir_version} was asked for"
        )
    strange = {domain for domain in _domains(graph) if domain not in form.domains}
    if strange:
        raise ProofError(
            f"the graph has operators of {', '.join(sorted(strange))}, which the form {form} does not have"
        )
    found = [value.name for value in graph.graph.input]
    if set(found) != set(input_names):
        raise ProofError(f"the graph's inputs are {found}, and the model reads {list(input_names)}")
    for value in graph.graph.input:
        if any(not dimension.dim_param for dimension in value.type.tensor_type.shape.dim):
            raise ProofError(
                f"the graph's input {value.name} has a fixed axis: batch and length must be dynamic"
            )
    if any(tensor.data_location == onnx.TensorProto.EXTERNAL for tensor in graph.graph.initializer):
        raise ProofError("the weights lie outside the ONNX file; a bundle holds single files")
    check_attention(graph, form, config)


def _domains(graph: onnx.ModelProto) -> Iterator[str]:
    """The domains of all operators, those inside branches and loops included."""
    waiting = [graph.graph.node, *(function.node for function in graph.functions)]
    while waiting:
        for node in waiting.pop():
            yield STANDARD if node.domain == "ai.onnx" else node.domain
            for attribute in node.attribute:
                waiting += [attribute.g.node, *(inner.node for inner in attribute.graphs)]
