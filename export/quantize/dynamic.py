"""Dynamic int8: weights once per output channel, activations at run time, one scale for the whole tensor.

That one scale is why an answer depends on the rest of its batch, and why the runtime asks such a model
text by text.
"""

import logging
from pathlib import Path
from typing import Literal

from export.model import OnnxModel
from export.options import Options

# Named, because the quantiser would turn the opset-23 `Attention` into an operator that does not exist.
# `Gather` is the embedding table: two thirds of a small student's file.
OPERATORS = ("MatMul", "Gemm", "Gather")


class Dynamic(Options):
    """Quantise weights to int8 and activations as they come; needs no calibration texts."""

    method: Literal["dynamic"] = "dynamic"
    per_channel: bool = True

    def quantize(self, model: OnnxModel, path: Path) -> OnnxModel:
        """Write the int8 form of a float file to `path`."""
        import onnx
        from onnxruntime.quantization import QuantType, quantize_dynamic

        proto = onnx.load(str(model.path))
        # The exporter's inferred shapes contradict the quantiser's, which then refuses the graph.
        proto.graph.ClearField("value_info")
        temporary = path.with_name(path.name + ".part")
        root = logging.getLogger()
        level = root.level
        root.setLevel(logging.ERROR)  # it advises pre-processing, on the root logger
        try:
            quantize_dynamic(
                proto,
                str(temporary),
                op_types_to_quantize=list(OPERATORS),
                per_channel=self.per_channel,
                weight_type=QuantType.QInt8,
                extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT},
            )
        finally:
            root.setLevel(level)
        temporary.replace(path)
        return OnnxModel(path, "int8", model.opset)
