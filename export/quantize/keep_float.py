"""No quantisation: the float file ships."""

from pathlib import Path
from typing import Literal

from export.model import OnnxModel
from export.options import Options


class KeepFloat(Options):
    """Ship the float file."""

    method: Literal["none"]

    def quantize(self, model: OnnxModel, path: Path) -> OnnxModel | None:  # noqa: ARG002
        """Nothing to make."""
        return None
