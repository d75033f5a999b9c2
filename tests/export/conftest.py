"""The tokenizer that the exported models are fed with."""

from pathlib import Path

import pytest
from tiny import save_tiny_encoder
from transformers import AutoTokenizer

from compress.models.tokenizer import save_tokenizer
from export.onnx_export import to_onnx


@pytest.fixture(scope="session")
def tokenizer_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tokenizer as bundles hold it: no padding block, truncation at 64 tokens."""
    raw = save_tiny_encoder(tmp_path_factory.mktemp("raw"))
    folder = tmp_path_factory.mktemp("tokenizer")
    save_tokenizer(AutoTokenizer.from_pretrained(str(raw)), folder, 64)
    return folder


@pytest.fixture(autouse=True)
def _exports_are_real(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other tests of the same process exchange weights in a file instead (tests/compress/conftest.py)."""
    monkeypatch.setattr("export.candidates.to_onnx", to_onnx)
