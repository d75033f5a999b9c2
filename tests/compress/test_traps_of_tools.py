"""Traps of the tools around the chain: quantisation-aware training, TorchScript, the Hub's helpers, other loaders.

Like those of tests/export/test_traps.py, each pins what a library does today and why this project goes another way.
"""

import json
import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path
from typing import Any

import datasets
import onnx
import pytest
import torch
from huggingface_hub import ModelCard, repocard
from optimum.exporters.tasks import TasksManager
from small_models import small_model
from tiny import TinyRun, save_tiny_encoder
from torch import nn
from torch.ao.quantization import FakeQuantize, MovingAverageMinMaxObserver

from compress.data import read
from compress.errors import DataError
from compress.models.predict import input_names
from export.onnx_export import to_onnx


class Quantised(nn.Module):
    """A linear layer whose input is rounded to int8 as quantisation-aware training does."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)
        self.rounding = FakeQuantize(
            MovingAverageMinMaxObserver,
            quant_min=-128,
            quant_max=127,
            dtype=torch.qint8,
            qscheme=torch.per_tensor_symmetric,
        )

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.linear(self.rounding(inputs))


def script_export(model: nn.Module, arguments: Sequence[torch.Tensor], path: Path) -> None:
    """What TorchScript's exporter does, without its warnings."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(model, tuple(arguments), str(path), dynamo=False, opset_version=17)


def test_fake_quantisation_goes_through_torchscript_alone(tmp_path: Path) -> None:
    model = Quantised()
    model(torch.randn(3, 4))
    model.eval().rounding.disable_observer()
    inputs = torch.randn(2, 4)
    with pytest.raises(torch.onnx.errors.OnnxExporterError):
        torch.onnx.export(model, (inputs,), dynamo=True, opset_version=23, verbose=False)
    script_export(model, [inputs], tmp_path / "model.onnx")
    operators = [node.op_type for node in onnx.load(str(tmp_path / "model.onnx")).graph.node]
    assert operators[:2] == ["QuantizeLinear", "DequantizeLinear"]


def test_our_export_leaves_a_model_in_evaluation_although_torchscript_does_not(tmp_path: Path) -> None:
    """A wrapper is born in training mode, and the exporter hands the mode on to what it wraps."""

    class Wrapper(nn.Module):
        def __init__(self, inner: nn.Module) -> None:
            super().__init__()
            self.inner = inner

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
            return self.inner(input_ids=input_ids, attention_mask=attention_mask).logits

    model = small_model("bert")
    model.set_attn_implementation("eager")
    ids = torch.randint(5, 300, (1, 6))
    script_export(Wrapper(model), [ids, torch.ones_like(ids)], tmp_path / "script.onnx")
    assert model.training

    kept = small_model("bert")
    to_onnx(kept, input_names(kept), tmp_path / "model.onnx")
    assert not kept.training


def test_optimum_onnx_is_not_asked_for_because_it_cannot_stand_beside_transformers_5() -> None:
    ours = " ".join(requires("compress-toolchain") or [])
    assert "optimum" in ours
    assert "optimum-onnx" not in ours
    with pytest.raises(PackageNotFoundError):
        requires("optimum-onnx")
    with pytest.raises(KeyError):
        TasksManager.get_supported_tasks_for_model_type("bert", "onnx", library_name="transformers")


def test_a_local_folders_task_is_asked_of_its_config_because_optimum_cannot_tell_it(tmp_path: Path) -> None:
    folder = save_tiny_encoder(tmp_path / "model")
    with pytest.raises(Exception, match=r"(?i)repo id must be|local directory"):
        TasksManager.infer_task_from_model(str(folder))


def test_a_bundle_lies_as_transformers_js_and_optimum_look_for_it(tiny_run: TinyRun) -> None:
    """Both take the model from onnx/ by the Hub's own names, and the rest from the folder's root."""
    bundle = tiny_run.bundle
    assert {file.name for file in (bundle / "onnx").iterdir()} == {"model.onnx", "model_quantized.onnx"}
    config = json.loads((bundle / "config.json").read_text())
    assert config["model_type"] == "bert"
    assert set(config["id2label"]) == {"0", "1", "2"}
    tokenizer = json.loads((bundle / "tokenizer_config.json").read_text())
    assert tokenizer["tokenizer_class"] in {"BertTokenizer", "BertTokenizerFast", "PreTrainedTokenizerFast"}
    assert (bundle / "tokenizer.json").is_file()


def test_a_model_card_is_valid_and_is_made_without_asking_the_hub(
    tiny_run: TinyRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`ModelCard.validate` posts the card to the Hub, so what it would find is looked at here."""

    class AskedError(Exception):
        pass

    def refuse(*_: object, **__: object) -> None:
        raise AskedError

    monkeypatch.setattr(repocard, "get_session", refuse)
    card = ModelCard((tiny_run.bundle / "README.md").read_text(encoding="utf-8"))
    assert card.data.to_dict()["library_name"] == "onnx"
    assert card.data.to_dict()["pipeline_tag"] == "text-classification"
    with pytest.raises(AskedError):
        card.validate()


def test_a_data_set_that_is_a_script_gets_the_revision_that_loads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library's own refusal, and the way out that its message does not name."""
    script = tmp_path / "news.py"
    script.write_text("import datasets\n")
    with pytest.raises(RuntimeError, match="scripts are no longer supported"):
        datasets.load_dataset(str(script))

    def load(path: str, *_: Any, **__: Any) -> None:
        raise RuntimeError(f"Dataset scripts are no longer supported, but found {path}.py")

    monkeypatch.setattr(read, "require_hub", lambda *_: None)
    monkeypatch.setattr(datasets, "load_dataset", load)
    with pytest.raises(DataError, match="revision: refs/convert/parquet"):
        read.read_raw("someone/news", None, None)


def test_textbrewer_does_not_import_with_warnings_as_errors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Why the tests that compare with it import it in the ordinary way, and nothing else of ours does."""
    pytest.importorskip("textbrewer", reason="TextBrewer is not installed")
    # Its warnings come when it is compiled, so it alone is compiled anew.
    monkeypatch.setattr(sys, "pycache_prefix", str(tmp_path))

    def import_anew() -> None:
        with monkeypatch.context() as patch:
            for name in [name for name in sys.modules if name.partition(".")[0] == "textbrewer"]:
                patch.delitem(sys.modules, name)
            import_module("textbrewer.losses")

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(SyntaxError):
            import_anew()
        warnings.simplefilter("ignore")
        import_anew()


def test_textbrewers_soft_targets_lack_the_temperature_squared() -> None:
    """Cross-entropy instead of KL, and no T squared: ours is T squared times it, less the teacher's entropy."""
    losses = pytest.importorskip("textbrewer.losses", reason="TextBrewer is not installed")
    from compress.distill.logits import soft_targets

    torch.manual_seed(1)
    student, teacher, temperature = torch.randn(5, 4), torch.randn(5, 4), 3.0
    softened = (teacher / temperature).log_softmax(-1)
    entropy = -(softened.exp() * softened).sum(-1).mean()
    theirs = losses.kd_ce_loss(student, teacher, temperature)
    ours = soft_targets(student, teacher, None, temperature, 1.0)
    assert float(ours) == pytest.approx(float(temperature**2 * (theirs - entropy)), abs=1e-5)
    assert abs(float(ours) - float(theirs)) > 0.01
