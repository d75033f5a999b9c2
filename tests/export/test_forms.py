"""The faults that the forms of opset 17 are prone to, planted one by one and seen to be caught."""

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from small_models import TEXTS, small_model, torch_forward
from tokenizers import Tokenizer
from transformers import PreTrainedConfig, PreTrainedModel

from compress.models.predict import input_names
from export.exporter import OutputsOnly, example
from export.forms import FUSED, PORTABLE, Form
from export.fusion import STEPS, fuse
from export.graph import check_graph
from export.model import OnnxModel
from export.parity import Reference, make_reference
from export.proof import ProofError
from export.torchscript import to_portable
from serve.encoding import read_tokenizer

Change = Callable[[onnx.ModelProto], None]


@pytest.fixture(scope="module")
def model() -> PreTrainedModel:
    return small_model("bert")


@pytest.fixture(scope="module")
def tokenizer(tokenizer_folder: Path) -> Tokenizer:
    return read_tokenizer(tokenizer_folder / "tokenizer.json")


@pytest.fixture(scope="module")
def reference(model: PreTrainedModel, tokenizer: Tokenizer) -> Reference:
    return make_reference(torch_forward(model), input_names(model), tokenizer, 0, TEXTS)


@pytest.fixture(scope="module")
def plain(model: PreTrainedModel, tmp_path_factory: pytest.TempPathFactory) -> OnnxModel:
    return to_portable(model, input_names(model), tmp_path_factory.mktemp("plain") / "portable.onnx")


def altered(plain: OnnxModel, path: Path, change: Change) -> OnnxModel:
    graph = onnx.load(str(plain.path))
    change(graph)
    onnx.save(graph, str(path))
    return OnnxModel(path, "fp32", plain.opset)


def after_the_logits(operator: str, **constants: list[int]) -> Change:
    """One more operator at the end of the graph."""

    def change(graph: onnx.ModelProto) -> None:
        last = next(node for node in graph.graph.node if "logits" in node.output)
        last.output[:] = ["before"]
        graph.graph.initializer.extend(
            numpy_helper.from_array(np.asarray(values), name) for name, values in constants.items()
        )
        inputs = ["before", *constants]
        node = helper.make_node(
            operator, inputs, ["logits"], **({"axis": 1} if "columns" in constants else {})
        )
        graph.graph.node.append(node)

    return change


def test_what_the_exporter_names_in_the_order_of_forward_is_caught(
    model: PreTrainedModel, reference: Reference, tmp_path: Path
) -> None:
    """The model itself, given by keyword with the tokenizer's names: mask and token types are exchanged."""
    names = ["input_ids", "token_type_ids", "attention_mask"]
    given = dict(zip(names, example(names), strict=True))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            OutputsOnly(model, input_names(model)).eval().model,
            (),
            str(tmp_path / "model.onnx"),
            kwargs=given,
            input_names=names,
            output_names=["logits"],
            dynamic_axes={name: {0: "batch", 1: "sequence"} for name in names},
            dynamo=False,
            opset_version=17,
        )
    model.eval()
    with pytest.raises(ProofError, match="does not answer as the PyTorch model"):
        reference.hold(OnnxModel(tmp_path / "model.onnx", "fp32", 17))


@pytest.mark.parametrize(
    "change",
    [
        after_the_logits("Reshape", shape=[2, 3]),  # the batch that the exporter followed
        after_the_logits("Gather", rows=[0]),  # answers every batch with its first text
    ],
)
def test_an_axis_that_is_frozen_inside_the_graph_is_caught(
    change: Change, plain: OnnxModel, model: PreTrainedModel, reference: Reference, tmp_path: Path
) -> None:
    """What the graph says of its axes is right, so it has to be run with others."""
    wrong = altered(plain, tmp_path / "wrong.onnx", change)
    check_graph(onnx.load(str(wrong.path)), PORTABLE, model.config, input_names(model))
    with pytest.raises(ProofError, match="an axis of its graph is frozen"):
        reference.hold(wrong)


def test_labels_in_another_order_are_caught(plain: OnnxModel, reference: Reference, tmp_path: Path) -> None:
    wrong = altered(plain, tmp_path / "wrong.onnx", after_the_logits("Gather", columns=[1, 0, 2]))
    with pytest.raises(ProofError, match="does not answer as the PyTorch model"):
        reference.hold(wrong)


def test_nan_for_one_text_of_all_is_caught(
    plain: OnnxModel, model: PreTrainedModel, tokenizer: Tokenizer, tmp_path: Path
) -> None:
    """In a word that no text has on which logits are compared."""
    word = tokenizer.token_to_id("spice")
    compared = [text for text in TEXTS if "spice" not in text]
    rows = [*["the team saw a goal"] * 40, "dinner and spice", *["soup"] * 40]

    def poison(graph: onnx.ModelProto) -> None:
        table = next(tensor for tensor in graph.graph.initializer if "word_embeddings" in tensor.name)
        values = numpy_helper.to_array(table).copy()
        values[word] = np.nan
        table.CopyFrom(numpy_helper.from_array(values, table.name))

    wrong = altered(plain, tmp_path / "wrong.onnx", poison)
    asked = (torch_forward(model), input_names(model), tokenizer, 0, compared)
    make_reference(*asked).hold(wrong)
    make_reference(*asked, further=rows).hold(plain)
    with pytest.raises(ProofError, match="NaN or infinity"):
        make_reference(*asked, further=rows).hold(wrong)


def test_an_unfused_graph_is_caught(
    plain: OnnxModel, model: PreTrainedModel, reference: Reference, tmp_path: Path
) -> None:
    """A tool that finds nothing says nothing: what it gives back is right, and as slow as before."""
    with pytest.raises(ProofError, match="0 fused attention operators where its layers give 1"):
        fuse(plain, model.config, tmp_path / "fused.onnx", reference.hold, {"layers": lambda graph, _: graph})
    assert not list(tmp_path.iterdir())


def test_a_step_that_changes_the_answers_is_rolled_back_and_told(
    plain: OnnxModel, model: PreTrainedModel, reference: Reference, tmp_path: Path
) -> None:
    def break_it(graph: onnx.ModelProto, _: PreTrainedConfig) -> onnx.ModelProto:
        after_the_logits("Gather", columns=[1, 0, 2])(graph)
        return graph

    layers, embeddings = STEPS.items()
    steps = dict([layers, ("fusion of the answers", break_it), embeddings])
    fused = fuse(plain, model.config, tmp_path / "fused.onnx", reference.hold, steps)
    (told,) = fused.rolled_back
    assert told.startswith("fusion of the answers rolled back: fused.onnx.part does not answer")
    reference.hold(fused.model)
    operators = {node.op_type for node in onnx.load(str(fused.model.path)).graph.node}
    assert "EmbedLayerNormalization" in operators  # the step after the one that was rolled back


@pytest.mark.parametrize(
    ("form", "change", "says"),
    [
        (PORTABLE, lambda graph: setattr(graph.opset_import[0], "version", 18), "opset 18 where 17"),
        (PORTABLE, lambda graph: setattr(graph, "ir_version", 10), "IR version 10 where 8"),
        (
            PORTABLE,
            lambda graph: setattr(graph.graph.node[0], "domain", "com.microsoft"),
            "operators of com.microsoft, which the form portable does not have",
        ),
        (
            PORTABLE,
            lambda graph: setattr(graph.graph.initializer[0], "data_location", TensorProto.EXTERNAL),
            "outside the ONNX file",
        ),
        (PORTABLE, lambda graph: setattr(graph.graph.input[0], "name", "ids"), "inputs are"),
        (FUSED, lambda graph: None, "0 fused attention operators where its layers give 1"),
    ],
)
def test_a_graph_of_another_form_is_caught(
    form: Form, change: Change, says: str, plain: OnnxModel, model: PreTrainedModel
) -> None:
    graph = onnx.load(str(plain.path))
    check_graph(graph, PORTABLE, model.config, input_names(model))
    change(graph)
    with pytest.raises(ProofError, match=says):
        check_graph(graph, form, model.config, input_names(model))
