"""Weights alone, as int8 or int4 in blocks of 32, each with a scale of its own.

Activations come as they are and are rounded row by row inside the operator, so an answer does not depend on its
batch. The operator is ONNX Runtime's `MatMulNBits`.
"""

from pathlib import Path
from typing import ClassVar, Literal

from export.model import OnnxModel
from export.options import Options
from export.quantize.circumstances import ANY, Circumstances
from export.quantize.quiet import quiet
from export.quantize.static import save_qdq
from export.quantize.weighted import weighted_nodes
from serve.bundle import Batching, Precision

_BLOCK = 32
# MatMulNBits' accuracy levels: rows of activations in 8 bits, or everything in float, which is some five times slower.
_INT8, _FLOAT = 4, 0


class WeightsOnly(Options):
    """Quantise the weights and leave the activations."""

    method: Literal["weights"] = "weights"
    bits: Literal[4, 8] = 8

    batching: ClassVar[Batching] = "batch"

    @property
    def title(self) -> str:
        """As in `int4 weights`."""
        return f"int{self.bits} weights"

    @property
    def precision(self) -> Precision:
        """Of the file."""
        return "int4-weights" if self.bits == 4 else "int8-weights"

    @property
    def bytes_per_parameter(self) -> float:
        """With the scales of the blocks."""
        return 0.68 if self.bits == 4 else 1.1

    def quantize(self, model: OnnxModel, path: Path, circumstances: Circumstances = ANY) -> OnnxModel:
        """Write the file with smaller weights to `path`."""
        import numpy as np
        import onnx

        with quiet():
            from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

            quantizer = MatMulNBitsQuantizer(
                onnx.load(str(model.path)),
                block_size=_BLOCK,
                is_symmetric=False,
                bits=self.bits,
                accuracy_level=_FLOAT if circumstances.saturates and self.bits == 8 else _INT8,
                nodes_to_exclude=sorted(circumstances.keep_float),
                op_types_to_quantize=("MatMul", "Gather") if self.bits == 4 else ("MatMul",),
            )
            with np.errstate(
                invalid="ignore"
            ):  # a block of zeros, as the padding token has, is looked for too late
                quantizer.process()
        proto = quantizer.model.model
        proto.graph.ClearField("value_info")
        # The operator for tables has 4 bits alone, and `Gemm` has none: the head stays float.
        tables = [
            node
            for node in weighted_nodes(proto.graph)
            if node.kind == "Gather" and node.name not in circumstances.keep_float
        ]
        if self.bits == 8:
            save_qdq(proto, tables, {}, path, reduce_range=False)
        else:
            temporary = path.with_name(path.name + ".part")
            onnx.save(proto, str(temporary))
            temporary.replace(path)
        return OnnxModel(path, self.precision, model.opset, self.batching)
