"""From a PyTorch classifier to one ONNX file, through the dynamo exporter at opset 23.

At opset 23 attention is a single operator, which ONNX Runtime runs as fast as its own fused one.
"""

from collections.abc import Sequence
from pathlib import Path

import onnx
import torch
from torch.onnx import OnnxExporterError
from transformers import PreTrainedModel

from export.attention import ONE_A_LAYER
from export.exporter import LOGITS, OutputsOnly, example, silenced
from export.first_token import last_layer_for_first_token
from export.forms import OPSET_23
from export.graph import check_graph
from export.mask import plain_padding_mask
from export.model import OnnxModel
from serve.errors import UserError
from serve.tasks.answering import Output

TESTED = ONE_A_LAYER | {"deberta-v2", "modernbert", "compress-bilstm", "compress-textcnn"}
# Its rotary embedding does not come through the exporter's optimiser at this opset.
NOT_OPTIMISED = frozenset({"modernbert"})


def to_onnx(
    model: PreTrainedModel, input_names: Sequence[str], path: Path, outputs: Sequence[Output] = LOGITS
) -> OnnxModel:
    """Export with dynamic batch and sequence axes, into a single file.

    `input_names` are the tokenizer's outputs that the model reads; the graph's inputs bear these names, its outputs
    those of `outputs`.
    Raises `ProofError` when the file is not what was asked for.
    """
    model.float().cpu()
    wrapper = OutputsOnly(model, input_names, outputs).eval()
    axes = {0: torch.export.Dim("batch"), 1: torch.export.Dim("sequence")}
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".part")
    try:
        with silenced(), plain_padding_mask(), last_layer_for_first_token(model):
            program = torch.onnx.export(
                wrapper,
                example(input_names),
                input_names=list(input_names),
                output_names=[one.name for one in outputs],
                dynamic_shapes={"tensors": tuple(dict(axes) for _ in input_names)},
                dynamo=True,
                opset_version=OPSET_23.opset,
                optimize=model.config.model_type not in NOT_OPTIMISED,
                verbose=False,
            )
            assert program is not None
            _leave_names_to_outputs(program)
            program.save(str(temporary), external_data=False)
    except OnnxExporterError as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UserError(
            f"PyTorch's exporter cannot export this {model.config.model_type} model: {reason}",
            f"an architecture that it knows at opset {OPSET_23.opset}; tested: {', '.join(sorted(TESTED))}",
            "use a model of one of these architectures, or set export: {target: portable}",
        ) from None
    check_graph(onnx.load(str(temporary), load_external_data=False), OPSET_23, model.config, input_names)
    temporary.replace(path)
    return OnnxModel(path, "fp32", OPSET_23.opset)


def _leave_names_to_outputs(program: torch.onnx.ONNXProgram) -> None:
    """Rename inner values that bear an output's name: the exporter calls them by their operators, as in `embedding`."""
    graph = program.model.graph
    outputs = {value.name for value in graph.outputs}
    for node in graph:
        for value in node.outputs:
            if value.name in outputs and not value.is_graph_output():
                value.name = f"inner_{value.name}"
