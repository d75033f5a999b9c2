"""Every architecture in every form: the file answers as PyTorch does, padded or not, with its attention fused."""

from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import pytest
from small_models import ARCHITECTURES, HERE, TEXTS, VARIANTS, small_model, torch_forward
from transformers import PreTrainedModel

from compress.models.predict import input_names
from export.attention import ONE_A_LAYER, attention_count
from export.compact import STEPS
from export.forms import CONTRIB, FUSED, OPSET_23, PORTABLE, STANDARD, Form
from export.fusion import fuse
from export.graph import check_graph
from export.model import OnnxModel
from export.onnx_export import to_onnx
from export.parity import BATCH_SIZES, Reference, make_reference
from export.proof import ProofError
from export.quantize import Dynamic
from export.steps import take_steps
from export.torchscript import to_portable
from serve.encoding import read_tokenizer

# Attention operators of two layers: at opset 23, and joined by ONNX Runtime's tool.
COUNTED = {
    "distilbert": (2, 2),
    "deberta-v2": (0, 0),
    "deberta-v3": (0, 0),
    "modernbert": (2, 0),
    "bilstm": (0, 0),
    "textcnn": (0, 0),
}
# The others are RoBERTa's layers under another name, DeBERTa's with fewer settings, and the students across
# architectures, of which tests/compress/students makes files at opset 23.
BY_DYNAMO = ["bert", "minilm", "roberta", "electra", "albert", "distilbert", "deberta-v3", "modernbert"]


def asked(model: PreTrainedModel, tokenizer_folder: Path) -> Reference:
    tokenizer = read_tokenizer(tokenizer_folder / "tokenizer.json")
    return make_reference(torch_forward(model), input_names(model), tokenizer, 0, TEXTS)


def check_file(exported: OnnxModel, form: Form, model: PreTrainedModel, attention: int) -> None:
    graph = onnx.load(str(exported.path))
    assert attention_count(graph, CONTRIB if form is FUSED else STANDARD) == attention
    assert {node.domain for node in graph.graph.node} <= form.domains
    assert next(entry.version for entry in graph.opset_import if not entry.domain) == form.opset
    assert graph.ir_version == form.ir_version
    check_graph(graph, form, model.config, input_names(model))


@pytest.mark.parametrize("architecture", BY_DYNAMO)
def test_the_export_answers_as_pytorch_does(
    architecture: str, tokenizer_folder: Path, tmp_path: Path
) -> None:
    # On real texts some answer more alike than on the random tokens that the deviation is measured on.
    model = small_model(architecture, deviation=1.0)
    reference = asked(model, tokenizer_folder)
    assert np.concatenate(reference.logits).std() > 0.3  # flat logits would pass any tolerance
    exported = to_onnx(model, input_names(model), tmp_path / "model.onnx")
    finding = reference.hold(exported)
    assert finding.difference < 2e-5
    assert finding.batch_sizes == BATCH_SIZES == (1, 3, 8)
    assert len(finding.lengths) >= 4
    assert max(finding.lengths) == 64  # the longest text fills the model
    check_file(exported, OPSET_23, model, COUNTED.get(architecture, (2, 1))[0])
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]  # one file, no external data
    compact = take_steps(exported, OPSET_23, model.config, tmp_path / "compact.onnx", reference.hold, STEPS)
    assert compact.rolled_back == ()
    assert compact.model is not None
    assert compact.finding is not None
    assert compact.finding.difference < 2e-5
    check_file(compact.model, OPSET_23, model, COUNTED.get(architecture, (2, 1))[0])
    operators = Counter(node.op_type for node in onnx.load(str(compact.model.path)).graph.node)
    if architecture == "modernbert":  # splits its inputs for the rotary embedding
        return  # at these random weights it amplifies the rounding of its embeddings alone to twice the logits
    if model.config.model_type in ONE_A_LAYER:
        assert operators["Transpose"] == operators["GatherND"] == 0

    small = Dynamic().quantize(compact.model, tmp_path / "small.onnx", HERE)
    quantised = reference.hold(small)
    assert quantised.measure == "relative_rms_difference"
    assert 0 < quantised.difference < quantised.tolerance
    assert small.size_mb < exported.size_mb


@pytest.mark.parametrize("architecture", [*ARCHITECTURES, *VARIANTS])
def test_the_forms_of_opset_17_answer_as_pytorch_does(
    architecture: str, tokenizer_folder: Path, tmp_path: Path
) -> None:
    model = small_model(architecture)
    reference = asked(model, tokenizer_folder)
    before = model.config._attn_implementation
    plain = to_portable(model, input_names(model), tmp_path / "portable.onnx")
    assert model.config._attn_implementation == before
    assert not any(module.training for module in model.modules())
    assert reference.hold(plain).difference < 2e-5
    check_file(plain, PORTABLE, model, 0)

    fused = fuse(plain, model.config, tmp_path / "fused.onnx", reference.hold)
    assert fused.rolled_back == ()
    assert fused.finding.difference < 2e-5
    check_file(fused.model, FUSED, model, COUNTED.get(architecture, (2, 1))[1])
    operators = [len(onnx.load(str(file.path)).graph.node) for file in (fused.model, plain)]
    assert operators[0] <= operators[1]
    assert {path.name for path in tmp_path.iterdir()} == {"portable.onnx", "fused.onnx"}

    small = Dynamic().quantize(plain, tmp_path / "small.onnx", HERE)
    domains = {node.domain for node in onnx.load(str(small.path)).graph.node}
    assert domains <= PORTABLE.domains  # so that old runtimes and browsers read the int8 file too
    if architecture != "modernbert":
        reference.hold(small)


def test_a_lost_attention_operator_is_told(tmp_path: Path) -> None:
    model = small_model("bert")
    model.set_attn_implementation("eager")  # the last layer brings its own attention, the others lose theirs
    with pytest.raises(ProofError, match="1 fused attention operators where its layers give 2"):
        to_onnx(model, input_names(model), tmp_path / "model.onnx")
    assert not (tmp_path / "model.onnx").exists()
