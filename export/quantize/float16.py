"""Half precision, for GPUs: a processor computes in float and only converts to and fro."""

from pathlib import Path
from typing import ClassVar, Literal

from export.model import OnnxModel
from export.options import Options
from export.quantize.circumstances import ANY, Circumstances
from serve.bundle import Batching, Precision


class Float16(Options):
    """Ship weights and arithmetic in float16; token ids go in as they are, logits come out as float32."""

    method: Literal["fp16"] = "fp16"

    title: ClassVar[str] = "fp16"
    precision: ClassVar[Precision] = "fp16"
    bytes_per_parameter: ClassVar[float] = 2.0
    batching: ClassVar[Batching] = "batch"

    def quantize(self, model: OnnxModel, path: Path, circumstances: Circumstances = ANY) -> OnnxModel:
        """Write the float16 form of a float file to `path`."""
        import onnx
        from onnxruntime.transformers.float16 import convert_float_to_float16

        proto = onnx.load(str(model.path))
        proto.graph.ClearField("value_info")
        half = convert_float_to_float16(
            proto, keep_io_types=True, node_block_list=sorted(circumstances.keep_float)
        )
        temporary = path.with_name(path.name + ".part")
        onnx.save(half, str(temporary))
        temporary.replace(path)
        return OnnxModel(path, self.precision, model.opset, self.batching)
