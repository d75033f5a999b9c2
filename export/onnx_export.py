"""From a PyTorch classifier to one ONNX file, through the dynamo exporter at opset 23.

At opset 23 attention is a single operator, which ONNX Runtime runs as fast as its own fused one.
"""

import contextlib
import io
import logging
import warnings
from collections.abc import Sequence
from pathlib import Path

import onnx
import torch
from torch import nn
from torch.onnx import OnnxExporterError
from transformers import PreTrainedModel

from export.attention import ONE_A_LAYER, check_attention
from export.first_token import last_layer_for_first_token
from export.model import OnnxModel
from export.proof import ProofError
from serve.errors import UserError

OPSET = 23
EXPORTER = 2  # counts up when the same model gives another graph, so that kept files are made again
OUTPUT = "logits"

TESTED = ONE_A_LAYER | {"deberta-v2", "modernbert", "compress-bilstm", "compress-textcnn"}
# Its rotary embedding does not come through the exporter's optimiser at this opset.
NOT_OPTIMISED = frozenset({"modernbert"})


class _LogitsOnly(nn.Module):
    """The graph's one output; arguments in the order of `names`."""

    def __init__(self, model: PreTrainedModel, names: Sequence[str]) -> None:
        super().__init__()
        self.model = model
        self.names = tuple(names)

    def forward(self, *tensors: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.model(**dict(zip(self.names, tensors, strict=True))).logits
        return logits


def to_onnx(model: PreTrainedModel, input_names: Sequence[str], path: Path) -> OnnxModel:
    """Export with dynamic batch and sequence axes, into a single file.

    `input_names` are the tokenizer's outputs that the model reads; the graph's inputs bear these names.
    Raises `ProofError` when the file is not what was asked for.
    """
    model.float().cpu()
    wrapper = _LogitsOnly(model, input_names).eval()
    example = torch.ones(2, 8, dtype=torch.int64)
    axes = {0: torch.export.Dim("batch"), 1: torch.export.Dim("sequence")}
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".part")
    try:
        with _quiet(), last_layer_for_first_token(model):
            torch.onnx.export(
                wrapper,
                tuple(example.clone() for _ in input_names),
                str(temporary),
                input_names=list(input_names),
                output_names=[OUTPUT],
                dynamic_shapes={"tensors": tuple(dict(axes) for _ in input_names)},
                dynamo=True,
                opset_version=OPSET,
                external_data=False,
                optimize=model.config.model_type not in NOT_OPTIMISED,
                verbose=False,
            )
    except OnnxExporterError as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UserError(
            f"PyTorch's exporter cannot export this {model.config.model_type} model: {reason}",
            f"an architecture that it knows at opset {OPSET}; tested: {', '.join(sorted(TESTED))}",
            "use a model of one of these architectures",
        ) from None
    check_graph(onnx.load(str(temporary), load_external_data=False), model, input_names)
    temporary.replace(path)
    return OnnxModel(path, "fp32", OPSET)


def check_graph(graph: onnx.ModelProto, model: PreTrainedModel, input_names: Sequence[str]) -> None:
    """Opset as asked, inputs by name, both axes dynamic, nothing outside the file, attention as expected."""
    opset = next(entry.version for entry in graph.opset_import if entry.domain in {"", "ai.onnx"})
    if opset != OPSET:
        raise ProofError(f"the exporter wrote opset {opset} where {OPSET} was asked for")
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
    check_attention(graph, model.config)


@contextlib.contextmanager
def _quiet():  # type: ignore[no-untyped-def]  # a generator of nothing
    """The exporter tells its steps on stdout, which belongs to results."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
