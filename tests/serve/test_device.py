"""A session computes where it was asked to, or nothing is computed."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnxruntime as ort
import pytest

import serve
from serve.bundle import read
from serve.device import check_provider, run_bound
from serve.errors import UserError
from serve.session import open_session


@pytest.mark.skipif(
    "CUDAExecutionProvider" in ort.get_available_providers(), reason="this machine's ONNX Runtime has CUDA"
)
def test_a_gpu_that_this_runtime_cannot_use_is_refused(bundle_folder: Path) -> None:
    with pytest.raises(UserError, match="has no CUDAExecutionProvider") as refused:
        serve.load(bundle_folder, device="cuda")
    assert "pip install onnxruntime-gpu" in str(refused.value)


def test_a_session_that_fell_back_to_the_processor_is_refused(bundle_folder: Path) -> None:
    session = open_session(read(bundle_folder).model_path, 2).ort_session
    check_provider(session, "cpu")
    with pytest.raises(UserError, match="computes with CPUExecutionProvider"):
        check_provider(session, "cuda")


def test_opening_looks_at_the_provider(bundle_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As ONNX Runtime does when a GPU's library is missing: it opens, elsewhere, and says nothing."""
    real = ort.InferenceSession
    monkeypatch.setattr(ort, "get_available_providers", lambda: ["CUDAExecutionProvider"])
    monkeypatch.setattr(ort, "InferenceSession", lambda content, options, providers: real(content, options))
    with pytest.raises(UserError, match=r"computes with .*CPUExecutionProvider"):
        open_session(read(bundle_folder).model_path, 2, device="cuda")


def test_a_processor_session_on_another_provider_is_refused(
    bundle_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = SimpleNamespace(get_providers=lambda: ["AzureExecutionProvider", "CPUExecutionProvider"])
    monkeypatch.setattr(ort, "InferenceSession", lambda *_, **__: elsewhere)
    with pytest.raises(UserError, match="computes with AzureExecutionProvider"):
        open_session(read(bundle_folder).model_path, 2)


def test_bound_inputs_and_outputs_give_the_same_logits(bundle_folder: Path) -> None:
    runtime = serve.load(bundle_folder)
    arrays = runtime.arrays(["a good film", "it was cold but lovely"])
    session = open_session(read(bundle_folder).model_path, 2)
    bound = run_bound(session.ort_session, arrays, session.outputs, "cpu")[0]
    assert bound.dtype == np.float32
    assert np.array_equal(bound, session.run(arrays))
