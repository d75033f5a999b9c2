"""ONNX graphs made by hand whose answers depend on the batch, to be caught."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def depend_on_the_batch(path: Path, combine: str = "Sub") -> None:
    """Put the maximum over the batch, which dynamic int8 takes too, between the logits and the output.

    With "Sub" every lone text has the logits 0; with "Add", twice its own.
    """
    model = onnx.load(str(path))
    graph = model.graph
    for node in graph.node:
        for place, name in enumerate(node.output):
            if name == "logits":
                node.output[place] = "own_logits"
    graph.initializer.append(numpy_helper.from_array(np.array([0]), "texts_axis"))
    graph.node.extend(
        [
            helper.make_node("ReduceMax", ["own_logits", "texts_axis"], ["largest"], keepdims=1),
            helper.make_node(combine, ["own_logits", "largest"], ["below"]),
            helper.make_node("Identity", ["below"], ["logits"]),
        ]
    )
    for opset in model.opset_import:
        if opset.domain == "":
            opset.version = max(opset.version, 18)  # ReduceMax takes its axes as an input
    assert {value.name for value in graph.output} == {"logits"}
    assert all(value.type.tensor_type.elem_type == TensorProto.FLOAT for value in graph.output)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, str(path))
