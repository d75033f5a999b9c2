"""One large int8 product, by which the processor's int8 peak is known, and how much of it a student uses."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from transformers import PretrainedConfig

SIDE = 2048  # of both matrices
OPERATIONS = 2 * SIDE**3


def write_product(path: Path) -> Path:
    """Write `y = x W` with x as unsigned and W as signed int8, in standard operators that both runtimes fuse."""
    weight = np.random.default_rng(1).integers(-127, 128, (SIDE, SIDE)).astype(np.int8)
    tensors = {
        "scale": np.array(2 / 255, np.float32),
        "zero": np.array(128, np.uint8),
        "W": weight,
        "W_scale": np.full(SIDE, 1 / 127, np.float32),
        "W_zero": np.zeros(SIDE, np.int8),
    }
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["x8"]),
        helper.make_node("DequantizeLinear", ["x8", "scale", "zero"], ["xf"]),
        helper.make_node("DequantizeLinear", ["W", "W_scale", "W_zero"], ["Wf"], axis=1),
        helper.make_node("MatMul", ["xf", "Wf"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "product",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [SIDE, SIDE])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [SIDE, SIDE])],
        [numpy_helper.from_array(value, name) for name, value in tensors.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, str(path))
    return path


def encoder_operations(config: PretrainedConfig, texts: int, tokens: int) -> int:
    """Multiplications and additions of a BERT-like classifier for full batches, as ours computes it.

    The last layer is computed for the first token alone, apart from its keys and values (export/first_token.py).
    """
    width, inner, layers = config.hidden_size, config.intermediate_size, config.num_hidden_layers
    whole = tokens * (4 * width * width + 2 * width * inner) + 2 * tokens * tokens * width
    last = 2 * tokens * width * width + 2 * width * width + 2 * width * inner + 2 * tokens * width
    return 2 * texts * ((layers - 1) * whole + last + width * width)
