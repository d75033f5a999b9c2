"""`compress export`: a model becomes a folder that answers as it does, or nothing is written."""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from small_models import small_model
from tiny import save_tiny_encoder

import serve
from compress.cli import main
from compress.models.predict import TorchPredictor
from compress.models.tokenizer import load_tokenizer
from compress.models.trained import Trained, load_trained, save_trained
from serve.bundle import read

TEXTS = ["the team saw a goal", "soup", "flight to the beach with luggage and a map", "an unknown word zzz"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    encoder = save_tiny_encoder(tmp_path_factory.mktemp("encoder"), layers=1)
    folder = tmp_path_factory.mktemp("trained")
    save_trained(small_model("bert"), load_tokenizer(str(encoder)), ("sport", "food", "travel"), 128, folder)
    return load_trained(folder)


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):  # type: ignore[no-untyped-def]
    """Runs `compress export`; gives the exit code and what was said on stdout and stderr."""

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["compress", "export", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            main()
        said = capsys.readouterr()
        return int(stopped.value.code or 0), said.out, said.err

    return run


def test_the_folder_answers_as_the_model_does_wherever_it_is_copied(
    trained: Trained, command, tmp_path: Path
) -> None:
    code, said, _ = command(trained.folder, "--out", tmp_path / "out", "--target", "portable")
    assert code == 0
    assert "portable" in said
    assert "max abs difference" in said
    shutil.copytree(tmp_path / "out", tmp_path / "elsewhere")
    shutil.rmtree(tmp_path / "out")
    answers = serve.load(tmp_path / "elsewhere").predict(TEXTS)
    expected = TorchPredictor(trained).predict(TEXTS)
    for ours, theirs in zip(answers, expected, strict=True):
        assert ours.label == theirs.label
        assert ours.probabilities == pytest.approx(theirs.probabilities, abs=1e-5)
    probabilities = [round(value, 2) for value in expected[0].probabilities.values()]
    assert len(set(probabilities)) == len(probabilities)  # an exchange of labels would show
    manifest = read(tmp_path / "elsewhere").manifest
    assert (manifest.opset, manifest.ir_version, manifest.verdict) == (17, 8, "not judged")


def test_int8_on_texts_of_ones_own_told_as_json(trained: Trained, command, tmp_path: Path) -> None:
    (tmp_path / "texts.txt").write_text("\n".join(TEXTS))
    options = ["--quantize", "dynamic", "--data", tmp_path / "texts.txt", "--target", "portable", "--json"]
    code, said, _ = command(trained.folder, "--out", tmp_path / "out", *options)
    assert code == 0
    document = json.loads(said)
    assert document["shipped"] == "model_quantized.onnx"
    assert [one["file"] for one in document["parity"]] == ["model.onnx", "model_quantized.onnx"]
    assert max(document["parity"][0]["lengths"]) == 128  # the texts were joined to fill the model
    assert [one["name"] for one in document["exports"] if one["chosen"]] == ["portable"]
    bundle = read(tmp_path / "out")
    assert bundle.manifest.batching == "one_by_one"
    assert {node.domain for node in onnx.load(str(bundle.model_path)).graph.node} <= {""}
    found = serve.load(bundle.folder).logits(TEXTS)
    assert np.abs(found - TorchPredictor(trained).logits(TEXTS)).max() < 1


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--target", "browser"], ["--target browser", "'portable'"]),
        (["--quantize", "int3"], ["--quantize int3", "'dynamic'"]),
        (["--target", "cuda", "--quantize", "dynamic"], ["int8 operators run on the processor"]),
        (["--task", "translation"], ["the task translation", "text-classification"]),
        (["--data", "nothing.txt"], ["no file matches nothing.txt (--data)"]),
    ],
)
def test_what_cannot_be_done_is_told(
    options: list[str], says: list[str], trained: Trained, command, tmp_path: Path
) -> None:
    code, _, said = command(trained.folder, "--out", tmp_path / "out", *options)
    assert code == 2
    assert all(piece in said for piece in says), said
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_no_bundle_is_not_replaced(trained: Trained, command, tmp_path: Path) -> None:
    """Packing puts a new folder in the place of an old one."""
    (tmp_path / "letters.txt").write_text("dear")
    code, _, said = command(trained.folder, "--out", tmp_path)
    assert code == 2
    assert "exists and is no bundle" in said
    assert [path.name for path in tmp_path.iterdir()] == ["letters.txt"]


def test_a_model_without_a_trained_head_is_refused(command, tmp_path: Path) -> None:
    encoder = save_tiny_encoder(tmp_path / "encoder", layers=1)
    code, _, said = command(encoder, "--out", tmp_path / "out")
    assert code == 2
    assert "no trained classification head" in said
    code, _, said = command(tmp_path / "nowhere", "--out", tmp_path / "out")
    assert code == 2
    assert "check MODEL" in said


@pytest.mark.parametrize("task", ["token-classification", "sentence-similarity"])
def test_a_model_of_another_task_is_refused(task: str, trained: Trained, command, tmp_path: Path) -> None:
    """A classifier's states make vectors as well, which nobody tuned for anything."""
    code, _, said = command(trained.folder, "--task", task, "--out", tmp_path / "out")
    assert code == 2
    assert f"{trained.folder} was trained for text-classification, by the class in its config.json" in said
    assert f"a model that was fine-tuned for {task}" in said
    assert "to do: give --task text-classification" in said
    assert not list(tmp_path.iterdir())


def test_a_bundle_is_not_exported_again(bundle_folder: Path, command, tmp_path: Path) -> None:
    code, _, said = command(bundle_folder, "--out", tmp_path / "out")
    assert code == 2
    assert "is a bundle: it is exported already" in said
    assert not list(tmp_path.iterdir())


def test_an_export_that_is_not_its_model_writes_nothing(
    trained: Trained, command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("export.parity.FLOAT_TOLERANCE", 0.0)
    code, _, said = command(trained.folder, "--out", tmp_path / "out", "--target", "portable")
    assert code == 3
    assert "does not answer as the PyTorch model it came from" in said
    assert not list(tmp_path.iterdir())
