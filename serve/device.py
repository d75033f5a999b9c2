"""Where a graph is computed: on the processor, or on a GPU through ONNX Runtime's CUDA provider.

ONNX Runtime falls back to the processor in silence where a GPU's libraries cannot be loaded, and where its provider
lacks an operator. Both are errors here: what was measured or served would not be what was asked for.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from serve.encoding import Integers
from serve.errors import UserError

Device = Literal["cpu", "cuda"]
PROVIDERS: dict[Device, str] = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}


def require_provider(device: Device) -> str:
    """The name of the device's provider; raises `UserError` where this ONNX Runtime was built without it."""
    provider = PROVIDERS[device]
    if provider not in ort.get_available_providers():
        raise UserError(
            f"this ONNX Runtime {ort.__version__} has no {provider}; it has {', '.join(ort.get_available_providers())}",
            "an ONNX Runtime that was built for the device",
            "pip install onnxruntime-gpu in place of onnxruntime, or leave the device out",
        )
    return provider


def check_provider(session: ort.InferenceSession, device: Device) -> None:
    """Raises `UserError` where the session computes elsewhere than was asked."""
    found = list(session.get_providers())
    if not found or found[0] != PROVIDERS[device]:
        raise UserError(
            f"the session computes with {', '.join(found) or 'nothing'}",
            f"{PROVIDERS[device]}, as was asked",
            "look at ONNX Runtime's warnings: most often a CUDA or cuDNN library is missing or of another version",
        )


def run_bound(
    session: ort.InferenceSession, arrays: Mapping[str, Integers], outputs: Sequence[str], device: Device
) -> list[NDArray[np.float32]]:
    """The outputs, computed with inputs and outputs bound to the device; back on the processor they are float32."""
    binding = session.io_binding()
    for name, values in arrays.items():
        binding.bind_cpu_input(name, np.ascontiguousarray(values))
    for output in outputs:
        binding.bind_output(output, device)
    session.run_with_iobinding(binding)
    # Copying waits for the device.
    return [np.asarray(values, dtype=np.float32) for values in binding.copy_outputs_to_cpu()]
