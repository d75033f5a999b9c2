"""A small stand-in for Triton, by its documentation: what a repository's configurations say is what happens.

Ensembles, ONNX models with max_batch_size, python models with `triton_python_backend_utils`, and requests from within a
python model. https://github.com/triton-inference-server/python_backend and the server's model_configuration.md. It
knows neither threads nor shared memory, and it is no Triton.
"""

import importlib.util
import sys
import types
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

_TYPES = {
    "TYPE_STRING": np.object_,
    "TYPE_FP32": np.float32,
    "TYPE_INT64": np.int64,
    "TYPE_INT32": np.int32,
}


class TritonError(Exception):
    def message(self) -> str:
        return str(self.args[0])


class Tensor:
    def __init__(self, name: str, array: np.ndarray) -> None:
        assert isinstance(array, np.ndarray)
        self._name, self._array = name, array

    def name(self) -> str:
        return self._name

    def as_numpy(self) -> np.ndarray:
        return self._array


class InferenceResponse:
    def __init__(self, output_tensors: Sequence[Tensor], error: TritonError | None = None) -> None:
        self._tensors, self._error = list(output_tensors), error

    def output_tensors(self) -> list[Tensor]:
        return self._tensors

    def has_error(self) -> bool:
        return self._error is not None

    def error(self) -> TritonError | None:
        return self._error


def by_name(tensors: Sequence[Tensor], name: str) -> Tensor | None:
    return next((tensor for tensor in tensors if tensor.name() == name), None)


class Triton:
    """A server over a model repository; every model is loaded and checked against its neighbours."""

    def __init__(self, repository: Path) -> None:
        self.asked: list[tuple[str, tuple[int, ...]]] = []  # of ONNX models: the shape of the first input
        self._repository = repository
        self.configs = {
            folder.name: text_format.Parse(
                (folder / "config.pbtxt").read_text(), model_config_pb2.ModelConfig()
            )
            for folder in sorted(repository.iterdir())
        }
        for name, config in self.configs.items():
            assert config.name == name
            assert (repository / name / "1").is_dir()
        self._models = {name: self._load(name) for name in self.configs}

    def infer(self, name: str, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The outputs by name; raises `TritonError`."""
        config = self.configs[name]
        _check(config.input, inputs, config.max_batch_size, name)
        outputs = self._models[name](inputs)
        _check(config.output, outputs, config.max_batch_size, name)
        return outputs

    def _load(self, name: str) -> Any:
        config = self.configs[name]
        if config.platform == "ensemble":
            return lambda inputs: self._steps(config, inputs)
        if config.platform == "onnxruntime_onnx":
            return self._onnx(name)
        assert config.backend == "python"
        return self._python(name)

    def _steps(self, config: Any, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        known = dict(inputs)
        for step in config.ensemble_scheduling.step:
            assert set(step.input_map) == {one.name for one in self.configs[step.model_name].input}
            given = {own: known[shared] for own, shared in step.input_map.items()}
            found = self.infer(step.model_name, given)
            known |= {shared: found[own] for own, shared in step.output_map.items()}
        return {one.name: known[one.name] for one in config.output}

    def _onnx(self, name: str) -> Any:
        session = ort.InferenceSession(
            self._repository / name / "1" / "model.onnx", providers=["CPUExecutionProvider"]
        )
        config = self.configs[name]
        assert {one.name for one in config.input} == {one.name for one in session.get_inputs()}

        def run(inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
            self.asked.append((name, next(iter(inputs.values())).shape))
            names = [one.name for one in config.output]
            return dict(zip(names, session.run(names, dict(inputs)), strict=True))

        return run

    def _python(self, name: str) -> Any:
        folder = self._repository / name / "1"
        with self._utils():
            spec = importlib.util.spec_from_file_location(f"triton_{name}", folder / "model.py")
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
        model = module.TritonPythonModel()
        model.initialize({"model_repository": str(folder.parent), "model_version": "1", "model_name": name})

        def run(inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
            request = types.SimpleNamespace(inputs=[Tensor(one, array) for one, array in inputs.items()])
            (response,) = model.execute([request])
            if response.has_error():
                raise response.error()
            return {tensor.name(): tensor.as_numpy() for tensor in response.output_tensors()}

        return run

    @contextmanager
    def _utils(self) -> Iterator[None]:
        """`import triton_python_backend_utils` finds ours."""
        server = self

        class InferenceRequest:
            def __init__(
                self, model_name: str, requested_output_names: list[str], inputs: list[Tensor]
            ) -> None:
                self._asked = model_name, requested_output_names, inputs

            def exec(self) -> InferenceResponse:
                name, wanted, inputs = self._asked
                try:
                    found = server.infer(name, {tensor.name(): tensor.as_numpy() for tensor in inputs})
                except TritonError as error:
                    return InferenceResponse([], error)
                return InferenceResponse([Tensor(one, found[one]) for one in wanted])

        module = types.ModuleType("triton_python_backend_utils")
        vars(module).update(
            Tensor=Tensor,
            TritonError=TritonError,
            InferenceRequest=InferenceRequest,
            InferenceResponse=InferenceResponse,
            get_input_tensor_by_name=lambda request, name: by_name(request.inputs, name),
            get_output_tensor_by_name=lambda response, name: by_name(response.output_tensors(), name),
        )
        sys.modules[module.__name__] = module
        try:
            yield
        finally:
            del sys.modules[module.__name__]


def _check(described: Any, tensors: Mapping[str, np.ndarray], most: int, name: str) -> None:
    """Raise `TritonError` for tensors of other types and shapes than the configuration's; a batch is the first axis."""
    if set(tensors) != {one.name for one in described}:
        raise TritonError(f"{name}: tensors {sorted(tensors)}")
    for one in described:
        array = tensors[one.name]
        dims = ([-1] if most else []) + list(one.dims)
        kind = _TYPES[model_config_pb2.DataType.Name(one.data_type)]
        fits = array.ndim == len(dims) and all(
            want in (-1, has) for want, has in zip(dims, array.shape, strict=True)
        )
        if array.dtype != kind or not fits:
            raise TritonError(f"{name}: {one.name} is {array.dtype} {array.shape}, expected {kind} {dims}")
        if most and array.shape[0] > most:
            raise TritonError(f"{name}: a batch of {array.shape[0]}, at most {most}")
