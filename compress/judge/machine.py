"""What the figures were measured on and with: the machine's facts and the libraries' versions."""

import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

from compress.judge.report import Machine

# What decides how fast int8 and bf16 run, in the words of /proc/cpuinfo (neon is `asimd` on 64-bit ARM).
_INSTRUCTIONS = {
    "avx2": "avx2",
    "avx512f": "avx512f",
    "avx512_vnni": "avx512_vnni",
    "avx_vnni": "avx_vnni",
    "avx512_bf16": "avx512_bf16",
    "amx_int8": "amx_int8",
    "neon": "neon",
    "asimd": "neon",
    "asimddp": "asimddp",
}
_PACKAGES = (
    "torch",
    "transformers",
    "onnx",
    "onnxruntime",
    "tokenizers",
    "datasets",
    "optimum",
    "numpy",
    "compress-toolchain",
)
_CPUINFO = Path("/proc/cpuinfo")


def machine(cpuinfo: Path = _CPUINFO) -> Machine:
    """The facts of this machine; without a `cpuinfo` (macOS, Windows) the instruction set is empty."""
    from serve.threads import available_threads

    facts = _first_core(cpuinfo)
    flags = (facts.get("flags") or facts.get("Features") or "").split()
    return Machine(
        processor=facts.get("model name") or platform.processor() or platform.machine() or "unknown",
        cores=available_threads(),
        instruction_set=list(dict.fromkeys(_INSTRUCTIONS[flag] for flag in flags if flag in _INSTRUCTIONS)),
        platform=platform.platform(),
        memory_gb=round(psutil.virtual_memory().total / 1e9, 1),
    )


def versions() -> dict[str, str]:
    """Versions of Python and of the libraries that shape the result; what is not installed is left out."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _first_core(cpuinfo: Path) -> dict[str, str]:
    """The fields of the file's first processor; empty where there is no such file."""
    try:
        text = cpuinfo.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    pairs = (line.partition(":") for line in text.split("\n\n")[0].splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}
