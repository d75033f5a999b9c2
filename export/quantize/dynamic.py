"""Dynamic int8: weights once per output channel, activations at run time, one scale for the whole tensor.

That one scale is why an answer depends on the rest of its batch, and why the runtime asks such a model
text by text.
"""

from pathlib import Path
from typing import ClassVar, Literal

from export.model import OnnxModel
from export.options import Options
from export.quantize.circumstances import ANY, Circumstances
from export.quantize.quiet import quiet
from export.quantize.weighted import OPERATORS
from serve.bundle import Batching, Precision


class Dynamic(Options):
    """Quantise weights to int8 and activations as they come; needs no calibration texts."""

    method: Literal["dynamic"] = "dynamic"
    per_channel: bool = True

    title: ClassVar[str] = "dynamic int8"
    precision: ClassVar[Precision] = "int8"
    bytes_per_parameter: ClassVar[float] = 1.02
    batching: ClassVar[Batching] = "one_by_one"

    def quantize(self, model: OnnxModel, path: Path, circumstances: Circumstances = ANY) -> OnnxModel:
        """Write the int8 form of a float file to `path`."""
        import onnx
        from onnxruntime.quantization import QuantType, quantize_dynamic

        proto = onnx.load(str(model.path))
        # The exporter's inferred shapes contradict the quantiser's, which then refuses the graph.
        proto.graph.ClearField("value_info")
        temporary = path.with_name(path.name + ".part")
        with quiet():  # it advises pre-processing
            quantize_dynamic(
                proto,
                str(temporary),
                # Named, because `Attention` would become an operator that does not exist.
                op_types_to_quantize=list(OPERATORS),
                nodes_to_exclude=sorted(circumstances.keep_float),
                per_channel=self.per_channel,
                reduce_range=circumstances.saturates,
                weight_type=QuantType.QInt8,
                extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT},
            )
        temporary.replace(path)
        return OnnxModel(path, self.precision, model.opset, self.batching)
