"""One exported model for every test of a quantiser."""

from pathlib import Path

import pytest
from small_models import TEXTS, small_model

from compress.models.predict import input_names
from export.model import OnnxModel
from export.onnx_export import to_onnx
from export.quantize.circumstances import Feed
from serve.encoding import pad, read_tokenizer, tokenize
from serve.session import open_session


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> OnnxModel:
    model = small_model("bert")
    return to_onnx(model, input_names(model), tmp_path_factory.mktemp("exported") / "model.onnx")


@pytest.fixture(scope="session")
def feeds(exported: OnnxModel, tokenizer_folder: Path) -> list[Feed]:
    """One text each, as calibration takes them."""
    tokenizer = read_tokenizer(tokenizer_folder / "tokenizer.json")
    inputs = open_session(exported.path, 3).inputs
    return [pad([encoding], inputs, 0).arrays for encoding in tokenize(tokenizer, TEXTS)]
