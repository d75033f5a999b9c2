"""Load from wrk, on a core of its own, and what it saw."""

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from compress.errors import UserError

_SCRIPT = Path(__file__).with_name("load.lua")


@dataclass(frozen=True, slots=True)
class Load:
    """What one run of wrk saw."""

    requests: int
    seconds: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    refused: int  # answers other than 2xx and 3xx
    broken: int  # connections that failed, or were not answered in time

    @property
    def per_second(self) -> float:
        """Requests."""
        return self.requests / self.seconds


def wrk() -> str:
    """Where it is; raises `UserError`."""
    found = shutil.which("wrk")
    if found is None:
        raise UserError("no wrk on this machine", "the load generator", "apt-get install wrk")
    return found


def load(url: str, bodies: Path, connections: int, seconds: float, core: int) -> Load:
    """Requests with these bodies, one a line, over so many connections at once."""
    command = [
        "taskset",
        "-c",
        str(core),
        wrk(),
        "-t1",
        f"-c{connections}",
        f"-d{seconds:g}s",
        "--timeout",
        "30s",
    ]
    told = subprocess.run(
        [*command, "-s", str(_SCRIPT), url, "--", str(bodies)], capture_output=True, text=True, check=True
    ).stdout
    (line,) = (line for line in told.splitlines() if line.startswith("JSON "))
    return Load(**json.loads(line.removeprefix("JSON ")))
