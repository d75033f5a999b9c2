"""What the stages of export hand on."""

from dataclasses import dataclass
from pathlib import Path

from serve.bundle import Batching, Precision


@dataclass(frozen=True)
class OnnxModel:
    """An ONNX file that stands alone."""

    path: Path
    precision: Precision
    opset: int
    batching: Batching = "batch"  # one_by_one: an answer depends on the rest of its batch

    @property
    def size_mb(self) -> float:
        """File size in 10^6 bytes."""
        return self.path.stat().st_size / 1e6
