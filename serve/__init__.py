"""A bundle answers requests, without torch.

import serve
serve.load("runs/quickstart/bundle").predict(["a fine film"])
"""

import os
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from serve.device import Device
    from serve.runtime import OnnxRuntime

__all__ = ["__version__", "load"]

# ONNX Runtime's wheels for Linux keep a database in ~/.cache/Microsoft and report to its makers unless this is set when
# it is loaded; disable_telemetry_events() comes too late for that. Who wants it sets the variable to 0.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

try:
    __version__ = version("compress-toolchain")
except PackageNotFoundError:
    __version__ = "source"


def load(bundle: str | Path, *, threads: int | None = None, device: "Device" = "cpu") -> "OnnxRuntime":
    """The runtime of the bundle in this folder, checked and ready to answer.

    `threads` are as many as this process may use unless given. Raises `serve.errors.BundleError`, and
    `serve.errors.UserError` where the model would be computed elsewhere than on `device`.
    """
    # Imported here so that `import serve`, which every part of the project does, loads nothing heavy.
    from serve.bundle import read
    from serve.runtime import OnnxRuntime

    return OnnxRuntime(read(bundle), threads, device)
