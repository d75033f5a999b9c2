"""From nothing to the first answer, in a process of its own: how long it takes, and how much memory.

python -m compress.bench.cold BUNDLE_OR_MODEL DEVICE PRECISION BUNDLE

The last one says what is asked, and how a model in PyTorch answers.
"""

import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from serve.device import Device
from serve.errors import UserError

STARTS = 3
_STATUS = Path("/proc/self/status")


@dataclass(frozen=True, slots=True)
class ColdStart:
    """Medians over several starts."""

    seconds: float
    peak_memory_mb: float  # 10^6 bytes


def cold_start(name: str, device: Device, precision: str, bundle: str, starts: int = STARTS) -> ColdStart:
    """Start so many processes, one after the other; raises `UserError` where one does not answer."""
    seconds, memory = [], []
    for _ in range(starts):
        begin = time.perf_counter()
        command = [sys.executable, "-m", "compress.bench.cold", name, device, precision, bundle]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - ourselves
        seconds.append(time.perf_counter() - begin)
        if done.returncode:
            raise UserError(
                f"{name} did not answer in a process of its own:\n{done.stderr.strip()[-400:]}",
                "a model that loads and answers",
                "see what it says above",
            )
        memory.append(float(json.loads(done.stdout.splitlines()[-1])["peak_memory_mb"]))
    return ColdStart(float(np.median(seconds)), float(np.median(memory)))


def _peak_memory_mb() -> float:
    if _STATUS.is_file():  # not ru_maxrss, which Linux hands on from the process that started this one
        lines = _STATUS.read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) * 1024 / 1e6
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def _answer(name: str, device: Device, precision: str, bundle: str) -> None:
    from compress.bench.contenders import contenders
    from compress.bench.texts import first_input
    from serve.bundle import read
    from serve.threads import available_threads

    manifest = read(bundle).manifest
    timed = contenders(name, device, manifest.answering)
    (asked,) = (one for one in timed if one.precision == precision)
    asked.opened(available_threads()).predict([first_input(manifest)])
    sys.stdout.write(json.dumps({"peak_memory_mb": _peak_memory_mb()}) + "\n")


if __name__ == "__main__":
    _answer(sys.argv[1], "cuda" if sys.argv[2] == "cuda" else "cpu", sys.argv[3], sys.argv[4])
