"""Which device computed each operator: from the session's own profile, not from what it was asked for."""

import json
import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import onnxruntime as ort

from serve.device import PROVIDERS, Device, require_provider
from serve.encoding import Integers
from serve.errors import UserError

# ONNX Runtime keeps these on the processor by design where they compute shapes, which a GPU is slow at.
_SHAPES = frozenset(
    {
        "Shape",
        "Size",
        "Gather",
        "Slice",
        "Concat",
        "Squeeze",
        "Unsqueeze",
        "Cast",
        "Reshape",
        "Range",
        "Constant",
    }
    | {"ConstantOfShape", "Expand", "Equal", "Less", "Greater", "And", "Or", "Not", "Where", "Identity"}
    | {"Add", "Sub", "Mul", "Div", "Mod", "Min", "Max", "ReduceProd", "ReduceMax", "ReduceSum"}
    | {"MemcpyToHost", "MemcpyFromHost"}
)

Placement = Mapping[str, Mapping[str, int]]  # nodes by provider, then by operator


def placement(model_path: Path, arrays: Mapping[str, Integers], device: Device) -> Placement:
    """Run one batch with the profiler on and read where each node was computed."""
    options = ort.SessionOptions()
    options.enable_profiling = True
    options.log_severity_level = 3
    with tempfile.TemporaryDirectory(prefix="compress-profile-") as folder:
        options.profile_file_prefix = str(Path(folder) / "profile")
        session = ort.InferenceSession(str(model_path), options, providers=[require_provider(device)])
        session.run(None, dict(arrays))
        events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
    found: dict[str, Counter[str]] = {}
    for event in events:
        told = event.get("args", {})
        if event.get("cat") == "Node" and str(event.get("name", "")).endswith("_kernel_time"):
            found.setdefault(told["provider"], Counter())[told["op_name"]] += 1
    return found


def require_placement(found: Placement, device: Device, name: str) -> None:
    """Raises `UserError` where anything but the arithmetic of shapes was computed off the device."""
    provider = PROVIDERS[device]
    strays = {
        f"{operator} ({count}) with {elsewhere}": count
        for elsewhere, operators in found.items()
        for operator, count in operators.items()
        if elsewhere != provider and operator not in _SHAPES
    }
    if strays or not found.get(provider):
        raise UserError(
            f"{name} is not computed on {device} alone: {', '.join(sorted(strays)) or 'no node is'}",
            f"every operator that computes anything with {provider}",
            "bench a float or fp16 file there: int8 operators are the processor's (quantize: none, or fp16)",
        )
