"""A bundle is whole or it is not there."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from small_models import small_model

from compress.models.predict import input_names
from compress.models.tokenizer import load_tokenizer
from compress.models.trained import Trained, load_trained, save_trained
from export.model import OnnxModel
from export.onnx_export import to_onnx
from export.pack import pack
from export.proof import ProofError
from serve.bundle import VerifiedOn, read
from serve.errors import BundleError

ON = VerifiedOn(
    processor="p", instruction_set=["avx2"], execution_provider="CPUExecutionProvider", onnxruntime="1"
)


@pytest.fixture(scope="module")
def trained(tokenizer_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = tmp_path_factory.mktemp("trained")
    save_trained(small_model("bert"), load_tokenizer(str(tokenizer_folder)), ("a", "b", "c"), 64, folder)
    return load_trained(folder)


@pytest.fixture(scope="module")
def exported(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> OnnxModel:
    file = tmp_path_factory.mktemp("exported") / "model.onnx"
    return to_onnx(trained.model, input_names(trained.model), file)


@pytest.fixture
def make(trained: Trained, exported: OnnxModel) -> Callable[..., None]:
    def make(target: Path, labels: tuple[str, ...] = trained.labels, **documents: str) -> None:
        pack(
            target,
            name="tiny",
            task="text-classification",
            labels=labels,
            max_length=64,
            model_folder=trained.folder,
            float_model=exported,
            quantized_model=None,
            documents=documents,
            verdict="pass",
            verified_on=ON,
        )

    return make


def test_what_is_packed_is_listed_with_its_hash_and_the_graphs_own_inputs(
    make: Callable[..., None], tmp_path: Path
) -> None:
    make(tmp_path / "bundle", **{"report.json": "{}"})
    bundle = read(tmp_path / "bundle")
    files = {
        path.relative_to(bundle.folder).as_posix() for path in bundle.folder.rglob("*") if path.is_file()
    }
    assert files - {"bundle.json"} == set(bundle.manifest.files)
    assert [value.name for value in bundle.manifest.inputs] == [
        "input_ids",
        "attention_mask",
        "token_type_ids",
    ]
    assert bundle.manifest.opset == 23
    config = json.loads((bundle.folder / "config.json").read_text())
    assert config["id2label"] == {"0": "a", "1": "b", "2": "c"}
    assert not (bundle.folder / "model.safetensors").exists()


def test_an_older_bundle_is_replaced_whole(make: Callable[..., None], tmp_path: Path) -> None:
    make(tmp_path / "bundle", **{"old.json": "{}"})
    make(tmp_path / "bundle", **{"new.json": "{}"})
    assert not (tmp_path / "bundle" / "old.json").exists()
    assert (tmp_path / "bundle" / "new.json").exists()
    assert {path.name for path in tmp_path.iterdir()} == {"bundle"}


def test_a_packing_that_fails_leaves_the_older_bundle(make: Callable[..., None], tmp_path: Path) -> None:
    make(tmp_path / "bundle", **{"old.json": "{}"})
    with pytest.raises(BundleError, match=r"names the file 'bad\.sh'"):
        make(tmp_path / "bundle", **{"bad.sh": "echo"})
    assert (tmp_path / "bundle" / "old.json").exists()
    read(tmp_path / "bundle")


def test_an_altered_label_order_is_noticed(make: Callable[..., None], tmp_path: Path) -> None:
    make(tmp_path / "bundle")
    copy = tmp_path / "copy"
    shutil.copytree(tmp_path / "bundle", copy)
    config = json.loads((copy / "config.json").read_text())
    config["id2label"] = {"0": "b", "1": "a", "2": "c"}
    (copy / "config.json").write_text(json.dumps(config))
    with pytest.raises(BundleError, match=r"config\.json was altered"):
        read(copy)


def test_labels_in_another_order_are_caught(make: Callable[..., None], tmp_path: Path) -> None:
    with pytest.raises(ProofError, match="calls the outputs a, b, c, and the bundle would call them b, a, c"):
        make(tmp_path / "bundle", labels=("b", "a", "c"))
    assert not list(tmp_path.iterdir())
