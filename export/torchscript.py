"""From a PyTorch classifier to one ONNX file at opset 17, through the TorchScript exporter.

Operators of the standard alone, in a file that runtimes of 2022 and browsers read. The attention is eager: a
dozen plain operators, the pattern that ONNX Runtime's fusion tool knows.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import onnx
import torch
from transformers import PreTrainedModel

from export.exporter import LOGITS, OutputsOnly, example, silenced
from export.first_token import last_layer_for_first_token
from export.forms import PORTABLE
from export.graph import check_graph
from export.model import OnnxModel
from serve.errors import UserError
from serve.tasks.answering import Output


def to_portable(
    model: PreTrainedModel, input_names: Sequence[str], path: Path, outputs: Sequence[Output] = LOGITS
) -> OnnxModel:
    """Export as `to_onnx` does, in the form `PORTABLE`; raises `UserError` and `ProofError` as it does.

    The exporter names inputs in the order of the arguments that it traced. Those of `OutputsOnly` have no order
    of their own, so `input_names` is it.
    """
    model.float().cpu()
    wrapper = OutputsOnly(model, input_names, outputs).eval()
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".part")
    try:
        with silenced(), _eager(model), last_layer_for_first_token(model):
            torch.onnx.export(
                wrapper,
                example(input_names),
                str(temporary),
                input_names=list(input_names),
                output_names=[one.name for one in outputs],
                dynamic_axes={name: {0: "batch", 1: "sequence"} for name in input_names}
                | {one.name: _axes(one) for one in outputs},
                dynamo=False,
                opset_version=PORTABLE.opset,
            )
    except (RuntimeError, TypeError, ValueError) as error:  # its tracer's own, or of what it runs
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UserError(
            f"PyTorch's TorchScript exporter cannot export this {model.config.model_type} model: {reason}",
            f"an architecture that it knows at opset {PORTABLE.opset}",
            "set export: {target: auto}, which exports at opset 23",
        ) from None
    check_graph(onnx.load(str(temporary), load_external_data=False), PORTABLE, model.config, input_names)
    temporary.replace(path)
    return OnnxModel(path, "fp32", PORTABLE.opset)


def _axes(output: Output) -> dict[int, str]:
    return {0: "batch", 1: "sequence"} if output.per_token else {0: "batch"}


@contextmanager
def _eager(model: PreTrainedModel) -> Iterator[None]:
    """Within it, attention is computed step by step."""
    before = model.config._attn_implementation
    if before == "eager":
        yield
        return
    model.set_attn_implementation("eager")
    try:
        yield
    finally:
        model.set_attn_implementation(before)
