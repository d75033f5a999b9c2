"""Which form is kept: proven ones alone, by time where time decides, and what is told of the rest."""

from pathlib import Path

import numpy as np
import pytest
from small_models import TEXTS, small_model, torch_forward
from transformers import PreTrainedModel

import export.candidates
from compress.models.predict import input_names
from export.candidates import Exported, export_best
from export.clock import ROUNDS, fastest
from export.forms import FUSED, OPSET_23, PORTABLE
from export.model import OnnxModel
from export.parity import Reference, make_reference
from export.proof import ProofError
from export.target import ExportOptions
from serve.encoding import read_tokenizer
from serve.errors import UserError

STEADY = np.full(ROUNDS, 2.0)


@pytest.fixture(scope="module")
def model() -> PreTrainedModel:
    return small_model("bert")


@pytest.fixture(scope="module")
def reference(model: PreTrainedModel, tokenizer_folder: Path) -> Reference:
    tokenizer = read_tokenizer(tokenizer_folder / "tokenizer.json")
    return make_reference(torch_forward(model), input_names(model), tokenizer, 0, TEXTS)


@pytest.fixture(autouse=True)
def _no_dynamo(monkeypatch: pytest.MonkeyPatch) -> None:
    """The exporter of opset 23 takes seconds and is tested elsewhere; here it does not know the model."""

    def refuse(*_: object) -> OnnxModel:
        raise UserError("PyTorch's exporter cannot export this model: no", "another", "another")

    monkeypatch.setattr(export.candidates, "to_onnx", refuse)


def best(model: PreTrainedModel, reference: Reference, folder: Path, target: str, *, timed: bool) -> Exported:
    forms = ExportOptions.model_validate({"target": target}).forms()
    path = folder / "model.onnx"
    exported = export_best(model, input_names(model), forms, reference, path, timed=timed)
    assert list(folder.iterdir()) == [path]  # what was tried and not kept is gone
    assert exported.finding.file == "model.onnx"
    reference.hold(exported.model)
    return exported


def test_the_next_form_is_taken_where_the_first_is_refused(
    model: PreTrainedModel, reference: Reference, tmp_path: Path
) -> None:
    exported = best(model, reference, tmp_path, "auto", timed=False)
    assert [(one.name, one.proven, one.chosen) for one in exported.tried] == [
        ("opset-23", False, False),
        ("portable", True, True),
    ]
    assert exported.tried[0].reason == "PyTorch's exporter cannot export this model: no"
    assert exported.tried[1].p50_ms is None
    assert exported.model.opset == 17


def test_where_time_decides_every_form_is_timed(
    model: PreTrainedModel, reference: Reference, tmp_path: Path
) -> None:
    exported = best(model, reference, tmp_path, "auto", timed=True)
    first, *others = exported.tried
    assert first.p50_ms is None
    assert all(one.p50_ms is not None and 0 < one.p50_ms < 1000 for one in others)
    assert sum(one.chosen for one in exported.tried) == 1


def test_the_form_that_time_names_is_the_one_that_is_kept(
    model: PreTrainedModel, reference: Reference, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = {PORTABLE.name: STEADY, FUSED.name: STEADY / 2}
    monkeypatch.setattr(export.candidates, "time_in_turns", lambda *_, **__: times)
    exported = best(model, reference, tmp_path, "auto", timed=True)
    assert [one.name for one in exported.tried if one.chosen] == ["opset-17-fused"]
    assert b"SkipLayerNormalization" in exported.model.path.read_bytes()
    assert exported.tried[-1].p50_ms == 1.0


def test_a_target_takes_its_own_form(model: PreTrainedModel, reference: Reference, tmp_path: Path) -> None:
    portable = best(model, reference, tmp_path, "portable", timed=False)
    assert b"com.microsoft" not in portable.model.path.read_bytes()
    cuda = best(model, reference, tmp_path, "cuda", timed=False)
    assert b"SkipLayerNormalization" in cuda.model.path.read_bytes()
    assert [one.name for one in cuda.tried] == ["opset-17-fused"]


def test_where_no_form_holds_nothing_is_kept_and_the_first_ones_reason_is_told(
    model: PreTrainedModel, reference: Reference, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("export.parity.FLOAT_TOLERANCE", 0.0)
    path = tmp_path / "model.onnx"
    with pytest.raises(ProofError, match=r"^portable\.onnx does not answer"):
        export_best(model, input_names(model), [PORTABLE, FUSED], reference, path, timed=False)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("challenger", "kept"),
    [
        (STEADY * 0.9, "new"),
        (STEADY * 0.97, "old"),  # always faster, and not worth it
        (STEADY * np.where(np.arange(ROUNDS) < 2, 1.5, 0.8), "new"),  # two rounds are bad luck
        (STEADY * np.where(np.arange(ROUNDS) < 3, 1.5, 0.8), "old"),  # three may be noise
        (STEADY, "old"),
    ],
)
def test_the_first_stays_unless_another_is_clearly_faster(
    challenger: np.ndarray[tuple[int], np.dtype[np.float64]], kept: str
) -> None:
    assert fastest({"old": STEADY, "new": challenger}) == kept
    assert fastest({"old": STEADY}) == "old"


def test_time_decides_for_the_file_that_ships_alone() -> None:
    assert ExportOptions().is_timed(ships=True)
    assert not ExportOptions().is_timed(ships=False)  # a smaller file is made of it, or it is compared with
    assert not ExportOptions(target="portable").is_timed(ships=True)
    assert ExportOptions().forms()[0] is OPSET_23
