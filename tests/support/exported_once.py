"""Models of one shape are exported once in a test run; after that the weights in the file are exchanged.

PyTorch's exporter takes seconds for the smallest model, whatever its weights are, and every run of a recipe asks it
several times. Whoever asks still proves the file against PyTorch, so a weight in the wrong place fails loudly.
"""

import copy
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
import torch
from filelock import FileLock
from numpy.typing import NDArray
from onnx import numpy_helper
from transformers import PreTrainedModel

from export.exporter import LOGITS
from export.model import OnnxModel
from export.onnx_export import to_onnx
from serve.tasks.answering import Output

Weights = Mapping[str, NDArray[np.generic]]
SHARED = "COMPRESS_TEST_EXPORTS"  # the folder of this test run, which tests/conftest.py makes and removes
NAMES_OF_THINGS = ("_name_or_path", "id2label", "label2id", "transformers_version", "architectures")


def export_once(
    model: PreTrainedModel, input_names: Sequence[str], path: Path, outputs: Sequence[Output] = LOGITS
) -> OnnxModel:
    """As `export.onnx_export.to_onnx`, through a file of another model of the same shape where there is one."""
    model.float().cpu()
    folder = _folder(model, input_names, outputs)
    with FileLock(folder.with_suffix(".lock")):
        if not folder.exists():
            _write_example(model, input_names, folder, outputs)
    places = json.loads((folder / "places.json").read_text(encoding="utf-8"))
    if places is None:
        return to_onnx(model, input_names, path, outputs)
    example = onnx.load(str(folder / "model.onnx"))
    weights = _weights(model)
    for initializer in example.graph.initializer:
        if initializer.name in places:
            name, is_turned = places[initializer.name]
            value = weights[name].T if is_turned else weights[name]
            initializer.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(value), initializer.name))
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(example, str(path))
    opset = next(entry.version for entry in example.opset_import if entry.domain in {"", "ai.onnx"})
    return OnnxModel(path, "fp32", opset)


def _folder(model: PreTrainedModel, input_names: Sequence[str], outputs: Sequence[Output]) -> Path:
    """Where the example of this shape lies, for all workers of this test run."""
    shape = {name: value for name, value in model.config.to_dict().items() if name not in NAMES_OF_THINGS}
    told = json.dumps(
        [type(model).__name__, model.config.num_labels, list(input_names), list(outputs), shape],
        sort_keys=True,
    )
    return Path(os.environ[SHARED]) / hashlib.sha256(told.encode()).hexdigest()[:16]


def _write_example(
    model: PreTrainedModel, input_names: Sequence[str], folder: Path, outputs: Sequence[Output]
) -> None:
    """Export a copy of the model in which no two weights are alike, and note where each went."""
    other = copy.deepcopy(model)
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for parameter in other.parameters():
            parameter.normal_()
    made = folder.with_suffix(".part")
    to_onnx(other, input_names, made / "model.onnx", outputs)
    (made / "places.json").write_text(
        json.dumps(_places(made / "model.onnx", _weights(other))), encoding="utf-8"
    )
    made.rename(folder)


def _places(file: Path, weights: Weights) -> dict[str, tuple[str, bool]] | None:
    """Each of the file's weights: of which name, and whether transposed; None where one was reckoned from others."""
    found: dict[str, tuple[str, bool]] = {}
    for initializer in onnx.load(str(file)).graph.initializer:
        value = numpy_helper.to_array(initializer)
        if value.dtype != np.float32:
            continue
        place = next((one for one in _candidates(value, weights)), None)
        if place is None and value.size <= 1:
            continue  # a constant of the graph; the bias of a single output is found among the weights
        if place is None:
            return None
        found[initializer.name] = place
    return found


def _candidates(value: NDArray[np.generic], weights: Weights) -> list[tuple[str, bool]]:
    straight = [(name, False) for name, weight in weights.items() if np.array_equal(weight, value)]
    turned = [
        (name, True)
        for name, weight in weights.items()
        if weight.ndim == 2 and np.array_equal(weight.T, value)
    ]
    return straight + turned


def _weights(model: PreTrainedModel) -> Weights:
    return {name: tensor.detach().numpy() for name, tensor in model.state_dict().items()}
