"""What is timed: bundles in ONNX Runtime and models in PyTorch, each with the threads that it is given."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from tokenizers import Encoding

from serve.bundle import MANIFEST

Runtime = Literal["onnxruntime", "torch"]


class Answerer(Protocol):
    """A predictor that also says what its model alone takes."""

    def predict(self, inputs: Sequence[str]) -> object:
        """Text to label."""
        ...

    def tokens(self, inputs: Sequence[str]) -> list[Encoding]:
        """What the model is given."""
        ...

    def logits_of(self, encodings: Sequence[Encoding]) -> object:
        """The model alone, padding included."""
        ...


@dataclass(frozen=True)
class Contender:
    """One model of the comparison."""

    name: str  # as it was given
    runtime: Runtime
    precision: str
    size_mb: float  # 10^6 bytes, of the file of weights
    opened: Callable[[int], Answerer]  # by the number of threads


def contender(name: str) -> Contender:
    """A bundle's folder, or else a model folder or a Hub id for PyTorch; raises `UserError`."""
    return _bundle(name) if (Path(name) / MANIFEST).is_file() else _torch_model(name)


def _bundle(name: str) -> Contender:
    import serve
    from serve.bundle import read

    bundle = read(name)
    return Contender(
        name,
        "onnxruntime",
        bundle.manifest.precision,
        bundle.model_path.stat().st_size / 1e6,
        lambda threads: serve.load(name, threads=threads),
    )


def _torch_model(name: str) -> Contender:
    from compress.errors import MissingExtraError

    try:
        from compress.models.predict import TorchPredictor
        from compress.models.trained import open_trained
        from compress.quiet import quiet_libraries
    except ModuleNotFoundError as error:
        raise MissingExtraError("bench with a PyTorch model", str(error.name), "train") from None
    quiet_libraries()
    trained = open_trained(name)
    return Contender(
        name,
        "torch",
        "fp32",
        4 * trained.parameters / 1e6,
        lambda threads: TorchPredictor(trained, threads=threads),
    )
