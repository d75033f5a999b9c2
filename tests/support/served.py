"""Applications and servers over a bundle, for tests of the endpoint."""

import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from fastapi import FastAPI

import serve
from serve.batcher import Answerer, Caps
from serve.bundle import read
from serve.endpoint import Settings, create_app
from serve.info import describe
from serve.limits import Limits
from serve.metrics import Metrics
from serve.model import Model
from serve.models import Models
from serve.slow_clients import PromptProtocol

NAME = "tiny-sentiment"


def make_models(
    bundle: Path,
    metrics: Metrics,
    runtimes: Sequence[Answerer] = (),
    limits: Limits | None = None,
    names: Sequence[str] = (NAME,),
    caps: Caps | None = None,
) -> Models:
    """The bundle under each of these names."""
    asked = limits or Limits()
    answering = list(runtimes) or [serve.load(bundle, threads=1)]
    return Models([Model(describe(read(bundle), asked, name), answering, metrics, caps) for name in names])


def make_app(
    bundle: Path,
    runtimes: Sequence[Answerer] = (),
    limits: Limits | None = None,
    settings: Settings | None = None,
    metrics: Metrics | None = None,
) -> FastAPI:
    """The application over a bundle, answered by these runtimes or by its own."""
    metrics = metrics or Metrics()
    return create_app(make_models(bundle, metrics, runtimes, limits), metrics, settings)


@contextmanager
def running(app: FastAPI, connections: int = Limits().connections) -> Iterator[str]:
    """The application's address, over a real socket, in a thread of this process."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        config = uvicorn.Config(app, log_level="error", http=PromptProtocol.with_at_most(connections))
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(timeout=30)


class Slow:
    """A runtime whose inferences wait until they may go on; counts how many ran at once, and which texts."""

    def __init__(self, bundle: Path) -> None:
        self._runtime = serve.load(bundle, threads=1)
        self.go = threading.Event()
        self.running, self.most = 0, 0
        self.answered: list[int] = []  # texts in each hop

    def tokens(self, inputs: Sequence[str]) -> list:
        return self._runtime.tokens(inputs)

    def answers_of(self, encodings: Sequence) -> list:
        self.running += 1
        self.most = max(self.most, self.running)
        self.go.wait(20)
        self.answered.append(len(encodings))
        self.running -= 1
        return self._runtime.answers_of(encodings)
