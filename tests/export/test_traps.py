"""Traps of the libraries that this project stands on, each met once and kept from coming back.

What a library does wrong is pinned here too: when such a test fails, the library was mended and our
way around it can go.
"""

import json
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic
from small_models import small_model
from tiny import save_tiny_encoder
from tokenizers import Tokenizer
from transformers import AutoTokenizer

from compress.errors import ModelError
from compress.models.predict import input_names
from compress.models.tokenizer import load_tokenizer, save_tokenizer
from export.model import OnnxModel
from export.onnx_export import to_onnx
from export.quantize import Dynamic
from serve.errors import BundleError
from serve.session import open_session


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> OnnxModel:
    model = small_model("bert")
    return to_onnx(model, input_names(model), tmp_path_factory.mktemp("exported") / "model.onnx")


def test_inputs_are_fed_by_the_graphs_own_names(exported: OnnxModel) -> None:
    """The order in which the tokenizer gives its outputs must not matter, and wrong names must not pass."""
    session = open_session(exported.path, 3)
    arrays = {
        "input_ids": np.asarray([[2, 9, 8, 3, 0, 0]]),
        "attention_mask": np.asarray([[1, 1, 1, 1, 0, 0]]),
        "token_type_ids": np.asarray([[0, 0, 0, 0, 0, 0]]),
    }
    assert {value.name for value in session.inputs} == set(arrays)
    logits = session.run(arrays)
    assert np.array_equal(session.run(dict(reversed(arrays.items()))), logits)
    exchanged = arrays | {
        "attention_mask": arrays["token_type_ids"],
        "token_type_ids": arrays["attention_mask"],
    }
    assert not np.allclose(session.run(exchanged), logits, atol=1e-3)


def test_padding_does_not_change_an_answer(exported: OnnxModel) -> None:
    session = open_session(exported.path, 3)

    def feed(padding: int) -> dict[str, np.ndarray]:
        ids = np.asarray([[2, 9, 8, 7, 3] + [0] * padding])
        return {"input_ids": ids, "attention_mask": (ids > 0).astype(np.int64), "token_type_ids": ids * 0}

    assert session.run(feed(0)) == pytest.approx(session.run(feed(40)), abs=1e-5)


def quantise_plainly(graph: onnx.ModelProto, path: Path, **options: object) -> onnx.ModelProto:
    """What the library does when nothing is done for it."""
    quantize_dynamic(graph, str(path), weight_type=QuantType.QInt8, **options)
    return onnx.load(str(path))


def test_inferred_shapes_are_taken_out_because_the_quantiser_stumbles_over_them(
    exported: OnnxModel, tmp_path: Path
) -> None:
    graph = onnx.load(str(exported.path))
    assert len(graph.graph.value_info) > 0
    with pytest.raises(Exception, match=r"(?i)inferred shape and existing shape differ"):
        quantise_plainly(graph, tmp_path / "plain.onnx", op_types_to_quantize=["MatMul"])
    quantised = onnx.load(str(Dynamic().quantize(exported, tmp_path / "small.onnx").path))
    assert {"MatMulInteger", "Attention"} <= {node.op_type for node in quantised.graph.node}


def test_operators_are_named_because_attention_would_become_one_that_does_not_exist(
    exported: OnnxModel, tmp_path: Path
) -> None:
    graph = onnx.load(str(exported.path))
    graph.graph.ClearField("value_info")
    extra = {"DefaultTensorType": TensorProto.FLOAT}
    plain = quantise_plainly(graph, tmp_path / "plain.onnx", extra_options=extra)
    assert "QAttention" in {node.op_type for node in plain.graph.node}
    with pytest.raises(BundleError):
        open_session(tmp_path / "plain.onnx", 3)
    small = Dynamic().quantize(exported, tmp_path / "small.onnx")
    assert "QAttention" not in {node.op_type for node in onnx.load(str(small.path)).graph.node}
    open_session(small.path, 3)


def test_the_embedding_table_is_quantised_too(exported: OnnxModel, tmp_path: Path) -> None:
    small = onnx.load(str(Dynamic().quantize(exported, tmp_path / "small.onnx").path))
    tables = [tensor for tensor in small.graph.initializer if list(tensor.dims) == [300, 32]]
    assert [tensor.data_type for tensor in tables] == [TensorProto.UINT8]


def test_dynamic_int8_answers_depend_on_their_neighbours(tmp_path: Path) -> None:
    """Why such a model is run text by text: one scale is taken over the whole batch."""
    weight = numpy_helper.from_array(np.ones((1, 1), np.float32), "w")
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "one",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 1])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 1])],
        [weight],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.save(model, str(tmp_path / "one.onnx"))
    small = Dynamic().quantize(OnnxModel(tmp_path / "one.onnx", "fp32", 20), tmp_path / "small.onnx")

    session = onnxruntime.InferenceSession(str(small.path))
    (alone,) = session.run(None, {"x": np.asarray([[1.0]], np.float32)})
    (beside,) = session.run(None, {"x": np.asarray([[1.0], [100.0]], np.float32)})
    assert abs(alone[0, 0] - 1.0) < 0.01
    assert abs(beside[0, 0] - 1.0) > 0.1


def test_a_fixed_padding_block_does_not_reach_the_bundle(tmp_path: Path) -> None:
    raw = save_tiny_encoder(tmp_path / "raw")
    assert json.loads((raw / "tokenizer.json").read_text())["padding"]["strategy"] == {"Fixed": 128}
    save_tokenizer(load_tokenizer(str(raw)), tmp_path / "saved", 48)
    document = json.loads((tmp_path / "saved" / "tokenizer.json").read_text())
    assert document["padding"] is None
    assert document["truncation"]["max_length"] == 48
    tokenizer = Tokenizer.from_file(str(tmp_path / "saved" / "tokenizer.json"))
    assert len(tokenizer.encode("goal").ids) < 10
    assert len(tokenizer.encode("goal " * 500).ids) == 48


def test_a_folder_without_tokenizer_files_is_refused_although_transformers_answers_it(tmp_path: Path) -> None:
    folder = save_tiny_encoder(tmp_path / "model")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).unlink()
    assert len(AutoTokenizer.from_pretrained(str(folder))) < 10  # what it makes of nothing
    with pytest.raises(ModelError, match="holds no tokenizer"):
        load_tokenizer(str(folder))


def test_the_saved_tokenizer_class_is_one_that_transformers_4_knows(tmp_path: Path) -> None:
    raw = save_tiny_encoder(tmp_path / "raw")
    config = json.loads((raw / "tokenizer_config.json").read_text())
    config.pop("tokenizer_class", None)
    (raw / "tokenizer_config.json").write_text(json.dumps(config))
    (raw / "config.json").unlink()  # nothing tells the class any more
    save_tokenizer(load_tokenizer(str(raw)), tmp_path / "saved", 48)
    saved = json.loads((tmp_path / "saved" / "tokenizer_config.json").read_text())
    assert saved["tokenizer_class"] in {"PreTrainedTokenizerFast", "BertTokenizer", "BertTokenizerFast"}


def test_importing_optimum_finds_everything_it_needs() -> None:
    """Optimum imports `requests` without declaring it, so our own dependencies must."""
    command = [sys.executable, "-c", "from optimum.utils import NormalizedConfigManager; import requests"]
    subprocess.run(command, check=True)
    text = (Path(__file__).parents[2] / "pyproject.toml").read_text()
    assert '"requests' in text


def test_layer_counts_come_by_whatever_name_a_config_has() -> None:
    from compress.models.shrink import layer_count

    assert layer_count(small_model("distilbert").config) == 2  # n_layers
    assert layer_count(small_model("electra").config) == 2  # num_hidden_layers


def test_sdpa_and_eager_are_one_model() -> None:
    """The exported graph comes from sdpa; a padded row must not depend on which kernel computed it."""
    model = small_model("bert")
    ids = torch.tensor([[2, 9, 8, 3, 0, 0], [2, 9, 8, 7, 6, 3]])
    mask = (ids > 0).long()
    with torch.inference_mode():
        sdpa = model(input_ids=ids, attention_mask=mask).logits
        model.set_attn_implementation("eager")
        assert torch.allclose(model(input_ids=ids, attention_mask=mask).logits, sdpa, atol=1e-5)


def test_what_transformers_5_no_longer_has_is_not_used() -> None:
    import inspect

    from transformers import TrainingArguments, pipelines

    known = inspect.signature(TrainingArguments).parameters
    assert not {"warmup_ratio", "logging_dir", "group_by_length"} & set(known)
    assert "train_sampling_strategy" in known
    assert "question-answering" not in pipelines.SUPPORTED_TASKS


def test_attention_maps_are_not_given_under_sdpa() -> None:
    """Why layer losses will have to hook queries and keys."""
    model = small_model("bert")
    ids = torch.randint(5, 300, (2, 6))
    with torch.inference_mode():
        given = model(input_ids=ids, output_attentions=True).attentions
    assert not given or all(values is None for values in given)


def test_the_fusion_tool_finds_no_attention_in_a_dynamo_export(exported: OnnxModel) -> None:
    from onnxruntime.transformers.optimizer import optimize_model

    fused = optimize_model(str(exported.path), model_type="bert", num_heads=4, hidden_size=32, opt_level=0)
    assert fused.get_fused_operator_statistics()["Attention"] in {0, 2}  # 2: the exporter's own, untouched
    assert not [
        node
        for node in fused.model.graph.node
        if node.domain == "com.microsoft" and "Attention" in node.op_type
    ]


def test_the_torchscript_exporter_names_inputs_in_the_order_of_forward(tmp_path: Path) -> None:
    """Why ours is not that exporter: with the tokenizer's order, mask and token types are exchanged in silence."""
    model = small_model("bert")
    model.set_attn_implementation("eager")
    ids = torch.randint(5, 300, (1, 6))
    order = ["input_ids", "token_type_ids", "attention_mask"]  # the tokenizer's
    given = {
        "input_ids": ids,
        "token_type_ids": torch.zeros_like(ids),
        "attention_mask": torch.ones_like(ids),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model,
            (),
            str(tmp_path / "script.onnx"),
            kwargs=given,
            input_names=order,
            dynamo=False,
            opset_version=17,
        )
    session = onnxruntime.InferenceSession(str(tmp_path / "script.onnx"))
    feed = {name: values.numpy() for name, values in given.items()}
    (logits,) = session.run(None, {value.name: feed[value.name] for value in session.get_inputs()})
    with torch.inference_mode():
        assert not np.allclose(logits, model(**given).logits.numpy(), atol=1e-3)


def test_bfloat16_is_used_only_where_the_machine_computes_in_it() -> None:
    from compress.training.device import choose_compute

    flags = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    capable = "avx512_bf16" in flags or "amx_bf16" in flags
    assert choose_compute("cpu", "auto").bf16 == capable
    assert not choose_compute("cpu", "fp32").bf16
