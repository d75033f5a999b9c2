"""The proof catches what it is for: each fault is planted and seen to be caught."""

import shutil
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from small_models import HERE, small_model, torch_forward
from tokenizers import Tokenizer
from transformers import PreTrainedConfig

from compress.models.predict import input_names
from export.candidates import export_best
from export.compact import whole_heads
from export.forms import OPSET_23
from export.graph import check_graph
from export.model import OnnxModel
from export.onnx_export import to_onnx
from export.parity import make_reference, prove_parity
from export.proof import ProofError
from export.quantize import Dynamic
from serve.encoding import read_tokenizer
from serve.errors import BundleError

TEXTS = ["the team saw a goal", "soup", "we cook bread and sauce near the new hotel today", "old match " * 9]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> OnnxModel:
    model = small_model("bert")
    return to_onnx(model, input_names(model), tmp_path_factory.mktemp("exported") / "model.onnx")


@pytest.fixture
def tokenizer(tokenizer_folder: Path) -> Tokenizer:
    return read_tokenizer(tokenizer_folder / "tokenizer.json")


def altered(exported: OnnxModel, path: Path, change: Callable[[onnx.ModelProto], None]) -> OnnxModel:
    graph = onnx.load(str(exported.path))
    change(graph)
    onnx.save(graph, str(path))
    return OnnxModel(path, exported.precision, exported.opset)


def test_exchanged_inputs_are_caught(exported: OnnxModel, tokenizer: Tokenizer, tmp_path: Path) -> None:
    """The TorchScript exporter did this in silence: mask and token types under each other's names."""

    def exchange(graph: onnx.ModelProto) -> None:
        names = {"attention_mask": "token_type_ids", "token_type_ids": "attention_mask"}
        for value in graph.graph.input:
            value.name = names.get(value.name, value.name)
        for node in graph.graph.node:
            node.input[:] = [names.get(name, name) for name in node.input]

    wrong = altered(exported, tmp_path / "wrong.onnx", exchange)
    with pytest.raises(ProofError, match="does not answer as the PyTorch model"):
        prove_parity(wrong, torch_forward(small_model("bert")), tokenizer, 0, TEXTS, 3)


def test_a_changed_weight_is_caught(exported: OnnxModel, tokenizer: Tokenizer, tmp_path: Path) -> None:
    def nudge(graph: onnx.ModelProto) -> None:
        weight = next(
            tensor for tensor in graph.graph.initializer if tensor.name.endswith("classifier.weight")
        )
        weight.CopyFrom(
            numpy_helper.from_array(
                numpy_helper.to_array(weight) + np.float32([[0.002], [0], [0]]), weight.name
            )
        )

    wrong = altered(exported, tmp_path / "wrong.onnx", nudge)
    with pytest.raises(ProofError, match=r"max abs difference is 0\.0\d+ over \d+ texts"):
        prove_parity(wrong, torch_forward(small_model("bert")), tokenizer, 0, TEXTS, 3)


def test_nan_is_caught(exported: OnnxModel, tokenizer: Tokenizer, tmp_path: Path) -> None:
    def poison(graph: onnx.ModelProto) -> None:
        weight = next(
            tensor for tensor in graph.graph.initializer if tensor.name.endswith("classifier.weight")
        )
        weight.CopyFrom(numpy_helper.from_array(np.full((3, 32), np.nan, np.float32), weight.name))

    wrong = altered(exported, tmp_path / "wrong.onnx", poison)
    with pytest.raises(ProofError, match="NaN or infinity"):
        prove_parity(wrong, torch_forward(small_model("bert")), tokenizer, 0, TEXTS, 3)


def test_a_quantiser_that_returns_noise_is_caught(
    exported: OnnxModel, tokenizer: Tokenizer, tmp_path: Path
) -> None:
    small = Dynamic().quantize(exported, tmp_path / "small.onnx", HERE)
    prove_parity(small, torch_forward(small_model("bert")), tokenizer, 0, TEXTS, 3)
    graph = onnx.load(str(small.path))
    random = np.random.default_rng(1)
    for tensor in graph.graph.initializer:
        if tensor.data_type == onnx.TensorProto.INT8 and len(tensor.dims) == 2:
            noise = random.integers(-127, 127, size=tuple(tensor.dims), dtype=np.int8)
            tensor.CopyFrom(numpy_helper.from_array(noise, tensor.name))
    onnx.save(graph, str(tmp_path / "noise.onnx"))
    noise_model = OnnxModel(tmp_path / "noise.onnx", "int8", small.opset)
    with pytest.raises(ProofError, match="relative rms difference"):
        prove_parity(noise_model, torch_forward(small_model("bert")), tokenizer, 0, TEXTS, 3)


@pytest.mark.parametrize("axis", [0, 1])
def test_a_frozen_axis_is_caught(axis: int, exported: OnnxModel) -> None:
    graph = onnx.load(str(exported.path))
    graph.graph.input[0].type.tensor_type.shape.dim[axis].dim_value = 8
    with pytest.raises(ProofError, match="fixed axis"):
        check_graph(graph, OPSET_23, small_model("bert").config, [value.name for value in graph.graph.input])


def test_another_opset_is_caught(exported: OnnxModel) -> None:
    graph = onnx.load(str(exported.path))
    next(entry for entry in graph.opset_import if not entry.domain).version = 20
    with pytest.raises(ProofError, match="opset 20 where 23"):
        check_graph(graph, OPSET_23, small_model("bert").config, [value.name for value in graph.graph.input])


def test_a_step_that_changes_the_answers_is_rolled_back_and_told(
    exported: OnnxModel, tokenizer: Tokenizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Attention told of two heads where there are four: the file before it is kept."""
    model = small_model("bert")

    def wrong_heads(graph: onnx.ModelProto, config: PreTrainedConfig) -> onnx.ModelProto:
        other = deepcopy(config)
        other.num_attention_heads = 2
        return whole_heads(graph, other)

    def written(_model: object, _names: object, path: Path, _outputs: object) -> OnnxModel:
        return replace(exported, path=Path(shutil.copy(exported.path, path)))

    monkeypatch.setattr("export.candidates.to_onnx", written)
    reference = make_reference(torch_forward(model), input_names(model), tokenizer, 0, TEXTS)
    arguments = (model, input_names(model), [OPSET_23], reference)
    rolled_back = {}
    for name, step in {"right": whole_heads, "wrong": wrong_heads}.items():
        monkeypatch.setattr("export.candidates.COMPACT", {"attention": step})
        made = export_best(*arguments, tmp_path / name / "model.onnx", timed=False)
        reference.hold(made.model)
        rolled_back[name] = made.tried[0].reason
        operators = {node.op_type for node in onnx.load(str(made.model.path)).graph.node}
        assert ("Transpose" in operators) == (name == "wrong")
    assert rolled_back["right"] is None
    assert str(rolled_back["wrong"]).startswith("attention rolled back: opset-23.onnx does not answer")


def test_an_invalid_file_is_no_model(tmp_path: Path, tokenizer: Tokenizer) -> None:
    (tmp_path / "model.onnx").write_bytes(b"\x08\x07nonsense")
    with pytest.raises(BundleError):
        prove_parity(
            OnnxModel(tmp_path / "model.onnx", "fp32", 23), lambda _: np.zeros((1, 3)), tokenizer, 0, TEXTS, 3
        )


def test_a_file_that_cannot_be_loaded_is_named_and_not_the_copy_that_was_tried(
    tokenizer: Tokenizer, tmp_path: Path
) -> None:
    model = small_model("bert")
    held = make_reference(torch_forward(model), input_names(model), tokenizer, 0, TEXTS)
    (tmp_path / "model.onnx").write_bytes(b"\x08\x07nonsense")
    with pytest.raises(BundleError) as refused:
        held.hold(OnnxModel(tmp_path / "model.onnx", "fp32", 23))
    assert refused.value.found.startswith("model.onnx is no ONNX file")


def test_the_export_does_not_leave_the_model_in_training(tmp_path: Path) -> None:
    model = small_model("bert")
    to_onnx(model, input_names(model), tmp_path / "model.onnx")
    assert not any(module.training for module in model.modules())
    with torch.inference_mode():
        ids = torch.randint(5, 300, (2, 6))
        assert torch.equal(model(input_ids=ids).logits, model(input_ids=ids).logits)
