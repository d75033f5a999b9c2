"""The repository for Triton, run by a stand-in: texts in, and the answers of our own runtime out."""

from pathlib import Path

import numpy as np
import pytest
from fake_triton import Triton, TritonError

import serve
from serve.deploy import Triton as ForTriton
from serve.deploy import deploy
from serve.runtime import OnnxRuntime

NAME = "tiny.1"


def opened(bundle: Path, folder: Path) -> Triton:
    deploy(bundle, ForTriton(), folder, NAME)
    return Triton(folder / "models")


@pytest.fixture(scope="module")
def together(bundle_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Triton:
    return opened(bundle_folder, tmp_path_factory.mktemp("triton") / "together")


@pytest.fixture(scope="module")
def alone(lone_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Triton:
    return opened(lone_bundle, tmp_path_factory.mktemp("triton") / "alone")


def ask(triton: Triton, texts: list[str]) -> dict[str, np.ndarray]:
    return triton.infer(NAME, {"text": np.array([text.encode() for text in texts], dtype=object)})


def check(found: dict[str, np.ndarray], runtime: OnnxRuntime, texts: list[str]) -> None:
    expected = runtime.predict(texts)
    assert [one.decode() for one in found["label"]] == [one.label for one in expected]
    probabilities = [list(one.probabilities.values()) for one in expected]
    assert np.abs(found["probabilities"] - probabilities).max() < 1e-6


def test_texts_get_the_runtimes_answers(together: Triton, runtime: OnnxRuntime, texts: list[str]) -> None:
    check(ask(together, texts), runtime, texts)
    check(ask(together, texts[:1]), runtime, texts[:1])
    assert together.asked[0] == (f"{NAME}_onnx", (len(texts), 16))  # truncated at the bundle's max_length


def test_a_bundle_that_answers_one_by_one_is_asked_so(
    alone: Triton, lone_bundle: Path, texts: list[str]
) -> None:
    """Neither neighbours nor their padding: each text reaches the graph as it would alone."""
    runtime = serve.load(lone_bundle, threads=1)
    check(ask(alone, texts), runtime, texts)
    widths = [len(encoding.ids) for encoding in runtime.tokens(texts)]
    assert [shape for _, shape in alone.asked] == [(1, width) for width in widths]


def test_triton_itself_would_refuse_a_batch_of_such_a_model(alone: Triton) -> None:
    two = {name: np.zeros((2, 3), np.int64) for name in ("input_ids", "attention_mask", "token_type_ids")}
    with pytest.raises(TritonError, match="at most 1"):
        alone.infer(f"{NAME}_onnx", two)
    assert not alone.configs[f"{NAME}_onnx"].HasField("dynamic_batching")


def test_the_tensors_are_those_of_our_server(together: Triton) -> None:
    config = together.configs[NAME]
    assert [(one.name, one.dims) for one in config.input] == [("text", [-1])]
    assert [(one.name, list(one.dims)) for one in config.output] == [
        ("label", [-1]),
        ("probabilities", [-1, 2]),
    ]
    assert config.max_batch_size == 0
    assert together.configs[f"{NAME}_onnx"].HasField("dynamic_batching")


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ([b"good"] * 33, "33 texts"),
        ([], "0 texts"),
        ([b"\xff"], "not UTF-8"),
        ([b"x" * 100_001], "at most 100000"),
    ],
    ids=["many", "none", "bytes", "long"],
)
def test_what_is_over_the_limits_is_told(together: Triton, given: list[bytes], says: str) -> None:
    with pytest.raises(TritonError, match=says):
        together.infer(NAME, {"text": np.array(given, dtype=object)})


def test_names_in_a_bundle_become_no_configuration(bundle_folder: Path) -> None:
    """The graph's names are anybody's; what they say must come back as they say it."""
    from google.protobuf import text_format
    from tritonclient.grpc.model_config_pb2 import ModelConfig

    from serve.deploy.triton import _step, _string

    name = 'x" } } backend: "python\n\\ $(id) é'
    step = f"ensemble_scheduling {{\n{_step('a', {name: 'b'}, {'c': name})}}}"
    parsed = text_format.Parse(f"name: {_string(name)}\n{step}", ModelConfig())
    assert parsed.name == name
    (found,) = parsed.ensemble_scheduling.step
    assert dict(found.input_map) == {name: "b"}
    assert dict(found.output_map) == {"c": name}
