"""The servers: how each is started, asked and stopped; and a loop without any server."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

CONNECTIONS = (1, 32)
_SERVERS = Path(__file__).with_name("servers")
_START_S = 120


def plain_body(text: str) -> str:
    """Of everything but MLServer."""
    return json.dumps({"inputs": text})


def tensor_body(text: str) -> str:
    """Of the Open Inference Protocol."""
    return json.dumps({"inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", "data": [text]}]})


def plain_label(answer: object) -> str:
    """Of a dictionary, or of the first of a list, which is the most probable."""
    found = answer[0] if isinstance(answer, list) else answer
    assert isinstance(found, dict)
    return str(found["label"])


def tensor_label(answer: object) -> str:
    """Of the Open Inference Protocol."""
    assert isinstance(answer, dict)
    (label,) = (one["data"][0] for one in answer["outputs"] if one["name"] == "label")
    return str(label)


@dataclass(frozen=True)
class Contestant:
    """A server that is to be started."""

    name: str
    command: Sequence[str]
    port: int
    path: str = "/predict"
    body: Callable[[str], str] = plain_body
    label: Callable[[object], str] = plain_label
    folder: Path | None = None  # where it is started
    connections: Sequence[int] = CONNECTIONS  # at once, that it is asked over

    @property
    def url(self) -> str:
        """That answers a text."""
        return f"http://127.0.0.1:{self.port}{self.path}"


class Running:
    """A server, pinned to a core with all of its processes; stopped in between, so that nobody disturbs another."""

    def __init__(self, contestant: Contestant, core: int) -> None:
        self.contestant = contestant
        environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[2])}
        self._process = subprocess.Popen(
            ["taskset", "-c", str(core), *contestant.command],
            stdout=subprocess.DEVNULL,
            cwd=contestant.folder,
            env=environment,
            start_new_session=True,
        )
        self._wait()

    def ask(self, text: str) -> str:
        """The label of a text."""
        request = urllib.request.Request(
            self.contestant.url,
            self.contestant.body(text).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as response:
            return self.contestant.label(json.load(response))

    def pause(self) -> None:
        """It gets no processor until `go_on`."""
        os.killpg(self._process.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        """It runs again."""
        os.killpg(self._process.pid, signal.SIGCONT)

    @property
    def memory_mb(self) -> float:
        """Resident memory of all of its processes, in 10^6 bytes."""
        parent = psutil.Process(self._process.pid)
        return sum(one.memory_info().rss for one in [parent, *parent.children(recursive=True)]) / 1e6

    def stop(self) -> None:
        """For good."""
        self.go_on()
        os.killpg(self._process.pid, signal.SIGTERM)
        try:
            self._process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def _wait(self) -> None:
        end = time.monotonic() + _START_S
        while time.monotonic() < end:
            if self._process.poll() is not None:
                raise RuntimeError(f"{self.contestant.name} ended with {self._process.returncode}")
            try:
                self.ask("a text to begin with")
            except (urllib.error.URLError, ConnectionError, OSError):
                time.sleep(0.2)
            else:
                return
        self.stop()
        raise RuntimeError(f"{self.contestant.name} does not answer")


def line_up(bundle: Path, model: Path, environments: Path, work: Path) -> list[Contestant]:
    """Ours first, with no option but its port; `model` is the student's folder of PyTorch weights."""
    python = sys.executable
    ports = [_free_port() for _ in range(8)]
    settings = work / "mlserver"
    settings.mkdir(parents=True, exist_ok=True)
    server = {"http_port": ports[4], "grpc_port": ports[5], "metrics_port": ports[6], "parallel_workers": 0}
    (settings / "settings.json").write_text(json.dumps({**server, "debug": False, "host": "127.0.0.1"}))
    student = {
        "name": "student",
        "implementation": "mlserver_student.Runtime",
        "parameters": {"uri": str(bundle)},
    }
    (settings / "model-settings.json").write_text(json.dumps(student))
    for file in ("mlserver_student.py", "student.py"):
        (settings / file).write_text((_SERVERS / file).read_text())
    return [
        Contestant(
            "ours", [python, "-m", "compress", "serve", str(bundle), "--port", str(ports[0])], ports[0]
        ),
        Contestant(
            "LitServe",
            [_python(environments, "litserve"), str(_SERVERS / "lit.py"), str(bundle), str(ports[1])],
            ports[1],
        ),
        Contestant(
            "MLServer",
            [str(environments / "mlserver/bin/mlserver"), "start", "."],
            ports[4],
            "/v2/models/student/infer",
            tensor_body,
            tensor_label,
            settings,
        ),
        Contestant(
            "FastAPI, no batches", [python, str(_SERVERS / "plain.py"), str(bundle), str(ports[2])], ports[2]
        ),
        Contestant(
            "transformers.pipeline, FastAPI",
            [python, str(_SERVERS / "pipeline.py"), str(model), str(ports[3])],
            ports[3],
        ),
        Contestant(
            "a bare socket, the runtime behind it",
            [python, str(_SERVERS / "bare.py"), str(bundle), str(ports[7])],
            ports[7],
            connections=(1,),
        ),
    ]


def _python(environments: Path, name: str) -> str:
    return str(environments / name / "bin/python")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])
