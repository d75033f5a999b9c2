"""Where training runs, and in which precision."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from compress.errors import UserError


@dataclass(frozen=True)
class Compute:
    """The device that trains and whether it computes in bfloat16."""

    device: Literal["cpu", "cuda", "mps"]
    bf16: bool


def choose_compute(device: str, precision: str) -> Compute:
    """The device and precision that a recipe asks for, checked against this machine."""
    chosen = _best_device() if device == "auto" else device
    if chosen == "cuda" and not torch.cuda.is_available():
        raise UserError(
            "device is cuda, and PyTorch sees no CUDA device", "a GPU that PyTorch can use", "set device: cpu"
        )
    if chosen == "mps" and not torch.backends.mps.is_available():
        raise UserError(
            "device is mps, and PyTorch sees no Metal device", "a Mac with Metal", "set device: cpu"
        )
    capable = _has_bf16(chosen)
    if precision == "bf16" and not capable:
        raise UserError(
            f"precision is bf16, and this {chosen} has no bfloat16 arithmetic",
            "AVX-512 BF16 or AMX on a processor, Ampere or newer on a GPU",
            "set precision: auto",
        )
    return Compute(chosen, capable and precision != "fp32")  # type: ignore[arg-type]  # checked by the recipe


def _best_device() -> str:
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _has_bf16(device: str) -> bool:
    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    if device == "mps":
        return False
    # Emulated bfloat16 is slower than float32, so the instruction set decides, not what PyTorch accepts.
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags
