"""A model that keeps weights in another file never reaches ONNX Runtime."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from serve.errors import BundleError
from serve.onnx_file import read_self_contained

HELD = numpy_helper.from_array(np.arange(4, dtype=np.float32), "weights")


def external(location: str = "weights.bin") -> TensorProto:
    tensor = TensorProto()
    tensor.CopyFrom(HELD)
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", "0"), ("length", "16")):
        entry = tensor.external_data.add()
        entry.key, entry.value = key, value
    return tensor


def graph(initializers: list[TensorProto], nodes: list[onnx.NodeProto]) -> onnx.GraphProto:
    return helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("picked", TensorProto.INT64, ["n"])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, ["n"])],
        initializers,
    )


GATHER = helper.make_node("Gather", ["weights", "picked"], ["out"])


def sparse(tensor: TensorProto) -> onnx.SparseTensorProto:
    return helper.make_sparse_tensor(tensor, helper.make_tensor("at", TensorProto.INT64, [4], range(4)), [9])


def carriers(tensor: TensorProto) -> dict[str, onnx.ModelProto]:
    """The places in which a model can hold a tensor."""
    constant = helper.make_node("Constant", [], ["weights"], value=tensor)
    branch = helper.make_graph([constant], "b", [], [])
    condition = helper.make_node("If", ["c"], ["weights"], then_branch=branch, else_branch=branch)
    with_sparse = graph([], [GATHER])
    with_sparse.sparse_initializer.append(sparse(tensor))
    models = {
        "initializer": helper.make_model(graph([tensor], [GATHER])),
        "constant": helper.make_model(graph([], [constant, GATHER])),
        "subgraph": helper.make_model(graph([], [condition, GATHER])),
        "sparse initializer": helper.make_model(with_sparse),
        "sparse constant": helper.make_model(
            graph([], [helper.make_node("Constant", [], ["weights"], sparse_value=sparse(tensor)), GATHER])
        ),
    }
    function = helper.make_function("own", "F", [], ["weights"], [constant], [helper.make_opsetid("", 17)])
    models["function"] = helper.make_model(graph([], [GATHER]), functions=[function])
    training = helper.make_model(graph([HELD], [GATHER]))
    training.training_info.add().initialization.CopyFrom(graph([tensor], []))
    models["training"] = training
    return models


@pytest.mark.parametrize("place", list(carriers(HELD)))
@pytest.mark.parametrize("location", ["weights.bin", "../weights.bin", "/etc/hostname"])
def test_external_data_is_found_wherever_it_is(
    place: str, location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A file that is really there, in the working directory as well: ONNX Runtime would read it.
    (tmp_path / "weights.bin").write_bytes(np.arange(4, dtype=np.float32).tobytes())
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "model.onnx"
    path.write_bytes(carriers(external(location))[place].SerializeToString())
    with pytest.raises(BundleError, match="external data"):
        read_self_contained(path)


@pytest.mark.parametrize("place", list(carriers(HELD)))
def test_the_same_model_in_one_file_passes(place: str, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    content = carriers(HELD)[place].SerializeToString()
    path.write_bytes(content)
    assert read_self_contained(path) == content


def test_why_loading_from_bytes_is_not_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The trap that the check is there for. If this fails, ONNX Runtime has mended it.
    import onnxruntime

    (tmp_path / "weights.bin").write_bytes(np.full(4, 7, np.float32).tobytes())
    monkeypatch.chdir(tmp_path)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    model = helper.make_model(
        graph([external()], [GATHER]), opset_imports=[helper.make_opsetid("", 17)], ir_version=8
    )
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
    assert session.run(None, {"picked": np.array([0])})[0].tolist() == [7.0]


def test_half_a_file_is_no_model(bundle_folder: Path, tmp_path: Path) -> None:
    whole = (bundle_folder / "onnx/model.onnx").read_bytes()
    path = tmp_path / "model.onnx"
    for content in (b"", whole[: len(whole) // 2], b"\xff" * 40):
        path.write_bytes(content)
        with pytest.raises(BundleError, match="no ONNX file"):
            read_self_contained(path)
    with pytest.raises(BundleError, match="cannot be read"):
        read_self_contained(tmp_path / "nothing.onnx")
