"""What is timed: bundles in ONNX Runtime and models in PyTorch, each with the threads that it is given.

On a GPU a PyTorch model is timed twice, as it is and in half precision, which is what people run there.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from serve.bundle import MANIFEST
from serve.device import Device
from serve.errors import UserError
from serve.inputs import Input
from serve.tasks import Answering, Tokens

Runtime = Literal["onnxruntime", "torch"]


class Answerer(Protocol):
    """A predictor that also says what its model alone takes."""

    def predict(self, inputs: Sequence[Input]) -> object:
        """Text to label."""
        ...

    def tokens(self, inputs: Sequence[Input]) -> list[Tokens]:
        """What the model is given."""
        ...

    def logits_of(self, encodings: Sequence[Tokens]) -> object:
        """The model alone, padding included."""
        ...


@dataclass(frozen=True)
class Contender:
    """One model of the comparison."""

    name: str  # as it was given
    runtime: Runtime
    precision: str
    task: str  # by the Hub's name
    size_mb: float  # 10^6 bytes, of the file of weights
    opened: Callable[[int], Answerer]  # by the number of threads

    @property
    def title(self) -> str:
        """Its name among the others: half precision is said."""
        return f"{self.name} (fp16)" if self.runtime == "torch" and self.precision == "fp16" else self.name


def contenders(name: str, device: Device, like: Answering) -> list[Contender]:
    """A bundle's folder, or else a model folder or a Hub id for PyTorch, opened as what answers `like` this.

    Raises `UserError`.
    """
    if (Path(name) / MANIFEST).is_file():
        return [_bundle(name, device)]
    return [
        _torch_model(name, device, like, half=half)
        for half in ((False, True) if device == "cuda" else (False,))
    ]


def _bundle(name: str, device: Device) -> Contender:
    import serve
    from compress.bench.placement import placement, require_placement
    from compress.bench.texts import first_input
    from serve.bundle import read
    from serve.runtime import OnnxRuntime

    bundle = read(name)

    def opened(threads: int) -> OnnxRuntime:
        runtime = serve.load(name, threads=threads, device=device)
        if device != "cpu":
            require_placement(
                placement(bundle.model_path, runtime.arrays([first_input(bundle.manifest)]), device),
                device,
                name,
            )
        return runtime

    size_mb = bundle.model_path.stat().st_size / 1e6
    manifest = bundle.manifest
    return Contender(name, "onnxruntime", manifest.precision, manifest.task, size_mb, opened)


def _torch_model(name: str, device: Device, like: Answering, *, half: bool) -> Contender:
    from compress.errors import MissingExtraError, ModelError

    try:
        import torch

        from compress.models.open import named_by
        from compress.models.predict import TorchPredictor
        from compress.models.trained import open_trained
        from compress.quiet import quiet_libraries
    except ModuleNotFoundError as error:
        raise MissingExtraError("bench with a PyTorch model", str(error.name), "train") from None
    if device == "cuda" and not torch.cuda.is_available():
        raise UserError(
            f"{name} was to be timed on cuda, and this PyTorch {torch.__version__} sees no GPU",
            "a PyTorch that was built for the GPU at hand",
            "install it from pytorch.org, or leave --device out",
        )
    quiet_libraries()
    try:
        # Once for each precision, since a model changes its weights to have the other.
        trained = open_trained(name, like)
    except UserError as error:
        told = named_by(error, "--against")
        raise ModelError(told.found, f"a bundle, or {told.expected}", told.remedy) from None
    if half:
        trained.model.half()
    return Contender(
        name,
        "torch",
        "fp16" if half else "fp32",
        trained.task.name,
        (2 if half else 4) * trained.parameters / 1e6,
        lambda threads: TorchPredictor(trained, device=device, threads=threads),
    )
