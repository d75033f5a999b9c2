"""An ONNX Runtime session on one self-contained file, with the graph's own account of its inputs."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as failures

from serve.bundle import GraphInput
from serve.device import Device, check_provider, require_provider, run_bound
from serve.encoding import KNOWN_INPUTS, Integers
from serve.errors import BundleError, UserError
from serve.onnx_file import read_self_contained
from serve.tasks.answering import Array, Output
from serve.threads import available_threads

_LOAD_FAILURES = (
    failures.Fail,
    failures.InvalidArgument,
    failures.InvalidGraph,
    failures.InvalidProtobuf,
    failures.NotImplemented,
    failures.RuntimeException,
)
_ERRORS_ONLY = 3
_DTYPES: dict[str, Literal["int64", "int32"]] = {"tensor(int64)": "int64", "tensor(int32)": "int32"}


@dataclass(frozen=True, slots=True)
class Session:
    """A loaded graph that takes token arrays and gives what its task reads."""

    ort_session: ort.InferenceSession
    inputs: tuple[GraphInput, ...]  # in the order of the graph
    outputs: tuple[str, ...]
    threads: int
    device: Device = "cpu"

    @property
    def output(self) -> str:
        """The first output."""
        return self.outputs[0]

    def run(self, arrays: dict[str, Integers]) -> NDArray[np.float32]:
        """The first output, which most graphs have alone: (texts, labels) for arrays of shape (texts, tokens)."""
        if self.device != "cpu":
            return run_bound(self.ort_session, arrays, self.outputs[:1], self.device)[0]
        (found,) = self.ort_session.run(self.outputs[:1], arrays)
        return np.asarray(found, dtype=np.float32)

    def run_all(self, arrays: dict[str, Integers]) -> dict[str, Array]:
        """Every output by its name, for arrays of shape (texts, tokens)."""
        if self.device != "cpu":
            found = run_bound(self.ort_session, arrays, self.outputs, self.device)
        else:
            found = self.ort_session.run(self.outputs, arrays)
        return {
            name: np.asarray(values, np.float32) for name, values in zip(self.outputs, found, strict=True)
        }


def open_session(
    model_path: Path,
    labels: int,
    *,
    output: str | None = None,
    outputs: Sequence[Output] = (),
    threads: int | None = None,
    device: Device = "cpu",
) -> Session:
    """The session of an ONNX file with these `outputs`, else with one of shape (texts, `labels`).

    `output` is the name of a single one, "logits" by default, or the only one whatever its name; `threads`
    are as many as this process may use. Raises `BundleError` when the file refers to other files or is not such a
    model, and `UserError` for less than one thread, or where it would be computed elsewhere than on `device`.
    """
    if threads is None:
        threads = available_threads()
    if threads < 1:
        raise UserError(f"{threads} threads", "at least 1", "leave the number out to use all that there are")
    provider = require_provider(device)
    options = session_options(threads, device)
    # From bytes, not from the path: what was checked is what is loaded.
    content = read_self_contained(model_path)
    try:
        opened = ort.InferenceSession(content, options, providers=[provider])
    except _LOAD_FAILURES as error:
        raise BundleError(
            f"ONNX Runtime {ort.__version__} cannot load {model_path}: {error}",
            "a model of an opset and of operators that this ONNX Runtime has for the device",
            "export the model again, or install the version named in bundle.json under verified_on",
        ) from None
    check_provider(opened, device)
    inputs = _inputs(opened, model_path)
    if len(outputs) == 1 and not outputs[0].per_token and outputs[0].width == labels:
        outputs = ()
    names = (
        tuple(_checked(opened, model_path, one) for one in outputs)
        if outputs
        else (_output(opened, model_path, labels, output),)
    )
    return Session(opened, inputs, names, threads, device)


def session_options(threads: int, device: Device) -> ort.SessionOptions:
    """How every session of ours is set up."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _ERRORS_ONLY
    if device == "cpu":
        # One operator for a sum and the normalisation after it takes three times as long as the two (1.6 against
        # 0.5 ms on 1,024 rows of 384; docs/results.md).
        options.add_session_config_entry("optimization.disable_specified_optimizers", "SkipLayerNormFusion")
    return options


def _inputs(opened: ort.InferenceSession, model_path: Path) -> tuple[GraphInput, ...]:
    found = opened.get_inputs()
    for value in found:
        if value.name not in KNOWN_INPUTS or value.type not in _DTYPES:
            raise BundleError(
                f"{model_path} has an input {value.name!r} of type {value.type}",
                f"inputs among {', '.join(sorted(KNOWN_INPUTS))}, of int64 or int32",
                "export the text encoder of this task",
            )
    return tuple(GraphInput(name=value.name, dtype=_DTYPES[value.type]) for value in found)


def _checked(opened: ort.InferenceSession, model_path: Path, wanted: Output) -> str:
    """The output's name, where the graph has it with as many axes; raises `BundleError`."""
    shapes: dict[str, Sequence[object]] = {value.name: value.shape for value in opened.get_outputs()}
    shape = shapes.get(wanted.name)
    last = shape[-1] if shape else None
    if (
        shape is None
        or len(shape) != wanted.rank
        or (isinstance(last, int) and wanted.width not in (None, last))
    ):
        axes = ", ".join(
            ["texts", *["tokens"] * wanted.per_token, *([str(wanted.width)] if wanted.width else [])]
        )
        raise BundleError(
            f"{model_path} has the outputs {', '.join(f'{key} {found}' for key, found in shapes.items())}",
            f"an output {wanted.name!r} of shape ({axes})",
            "export the model of this task with its head",
        )
    return wanted.name


def _output(opened: ort.InferenceSession, model_path: Path, labels: int, wanted: str | None) -> str:
    shapes: dict[str, Sequence[object]] = {value.name: value.shape for value in opened.get_outputs()}
    name = wanted or (next(iter(shapes)) if len(shapes) == 1 else "logits")
    width = shapes[name][-1] if shapes.get(name) else None
    # A dynamic axis carries a name instead of a number; then the first answer is what tells.
    if name not in shapes or len(shapes[name]) != 2 or (isinstance(width, int) and width != labels):
        raise BundleError(
            f"{model_path} has the outputs {', '.join(f'{key} {shape}' for key, shape in shapes.items())}",
            f"an output {name!r} of shape (texts, {labels}), one column per label",
            "export the classification model with its head, and give all of its labels",
        )
    return name
