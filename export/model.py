"""What the stages of export hand on."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True)
class OnnxModel:
    """An ONNX file that stands alone."""

    path: Path
    precision: Literal["fp32", "int8"]
    opset: int

    @property
    def size_mb(self) -> float:
        """File size in 10^6 bytes."""
        return self.path.stat().st_size / 1e6
