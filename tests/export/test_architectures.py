"""Every architecture: the exported file answers as PyTorch does, padded or not, with its attention fused."""

from pathlib import Path

import onnx
import pytest
from small_models import ARCHITECTURES, TEXTS, small_model, torch_forward

from compress.models.predict import input_names
from export.attention import ONE_A_LAYER, attention_count
from export.onnx_export import OPSET, to_onnx
from export.parity import BATCH_SIZES, prove_parity
from export.proof import ProofError
from export.quantize import Dynamic
from serve.encoding import read_tokenizer


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_export_answers_as_pytorch_does(
    architecture: str, tokenizer_folder: Path, tmp_path: Path
) -> None:
    model = small_model(architecture)
    exported = to_onnx(model, input_names(model), tmp_path / "model.onnx")
    tokenizer = read_tokenizer(tokenizer_folder / "tokenizer.json")
    finding = prove_parity(exported, torch_forward(model), tokenizer, 0, TEXTS, 3)
    assert finding.difference < 2e-5
    assert finding.batch_sizes == BATCH_SIZES == (1, 3, 8)
    assert len(finding.lengths) >= 4
    assert max(finding.lengths) == 64  # the longest text fills the model
    graph = onnx.load(str(exported.path))
    assert attention_count(graph) == {"deberta-v2": 0}.get(architecture, 2)
    assert (architecture in ONE_A_LAYER) == (architecture not in {"deberta-v2", "modernbert"})
    assert next(entry.version for entry in graph.opset_import if not entry.domain) == OPSET
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]  # one file, no external data
    if architecture == "modernbert":
        return  # at these random weights it amplifies the rounding of its embeddings alone to twice the logits

    small = Dynamic().quantize(exported, tmp_path / "small.onnx")
    quantised = prove_parity(small, torch_forward(model), tokenizer, 0, TEXTS, 3)
    assert quantised.measure == "relative_rms_difference"
    assert 0 < quantised.difference < quantised.tolerance
    assert small.size_mb < exported.size_mb


def test_a_lost_attention_operator_is_told(tmp_path: Path) -> None:
    model = small_model("bert")
    model.set_attn_implementation("eager")  # the last layer brings its own attention, the others lose theirs
    with pytest.raises(ProofError, match="1 fused attention operators for 2 layers"):
        to_onnx(model, input_names(model), tmp_path / "model.onnx")
    assert not (tmp_path / "model.onnx").exists()
