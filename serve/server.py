"""From the folders of bundles to a listening server, and to its end."""

import re
import signal
import socket
import threading
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

import uvicorn
from fastapi import FastAPI

from serve.bundle import Bundle, read
from serve.endpoint import Settings, create_app
from serve.errors import UserError
from serve.guard import is_loopback
from serve.info import describe
from serve.key import Key
from serve.ledger import log_line
from serve.limits import Limits
from serve.listening import check_host, listen
from serve.metrics import Metrics
from serve.model import Model
from serve.models import Models, check_name
from serve.protocols.clouds import Vertex
from serve.runtime import OnnxRuntime
from serve.sessions import open_runtimes
from serve.slow_clients import PromptProtocol
from serve.teacher import Cascade, Shadow, check_labels, check_one_label
from serve.tracing import open_tracing
from serve.watch import Watch

IN_FLIGHT_SECONDS = 20  # for requests that were taken before the server was told to stop


@dataclass(frozen=True)
class Beside:
    """A teacher's bundle beside the student: for a sample, or for answers in doubt."""

    bundle: Path
    share: float | None = None  # of the texts, compared in the background
    below: float | None = None  # probability under which the teacher answers
    keep_texts: bool = False  # in the log of disagreements


@dataclass(frozen=True)
class Serving:
    """What is served, where, and how."""

    bundles: Mapping[str, Path]  # by the name of the model; the first is the default
    host: str = "127.0.0.1"
    port: int = 8080
    grpc_port: int | None = None
    threads: int | None = None  # of all sessions together
    workers: int | None = None  # sessions side by side; None: measured
    limits: Limits = field(default_factory=Limits)
    insecure: bool = False
    key: Key | None = None
    log_requests: bool = False
    watch: bool = False
    drain_seconds: float = 5.0  # between "not ready" and the end, after SIGTERM
    beside: Beside | None = None


def named_bundles(bundle: Path | None, named: Sequence[str] = ()) -> dict[str, Path]:
    """Folders by model name: the first under its own name, the others as in `NAME=FOLDER`. Raises `UserError`."""
    found: dict[str, Path] = {}
    if bundle is not None:
        found[_own_name(bundle)] = bundle
    for one in named:
        name, equals, folder = one.partition("=")
        if not equals or not folder or name in found:
            raise UserError(
                f"--bundle {one}", "NAME=FOLDER, each name once", "for example --bundle sst2=runs/sst2/bundle"
            )
        found[check_name(name)] = Path(folder)
    if not found:
        raise UserError(
            "no bundle", "the folder that `compress run` made", "compress serve runs/quickstart/bundle"
        )
    return found


def _own_name(bundle: Path) -> str:
    """The name in its manifest, with hyphens for what cannot stand in a path."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", read(bundle).manifest.name)[:64] or "model"


def serve_bundles(asked: Serving, ready: Callable[[str], None] | None = None) -> None:
    """Answer requests until SIGTERM or SIGINT; in-flight requests are finished first.

    `ready` is called with the URL once connections are taken; port 0 takes a free one. Raises `UserError` for a
    host that others can reach without a key unless `insecure`, and for an address that is taken; `BundleError` for
    a bundle.
    """
    check_host(asked.host, insecure=asked.insecure or asked.key is not None)
    with listen(asked.host, Vertex.from_environment().port or asked.port) as listening:
        if asked.grpc_port is not None:
            # gRPC itself listens within the event loop, where a port that is taken could only end in a traceback.
            listen(asked.host, asked.grpc_port, "--grpc-port").close()
        app, models = open_application(asked)
        if ready is not None:
            shown = f"[{asked.host}]" if ":" in asked.host else asked.host
            ready(f"http://{shown}:{listening.getsockname()[1]}")
        _run(app, models, listening, asked)


def open_application(asked: Serving) -> tuple[FastAPI, Models]:
    """The application with its models loaded and warm, for a server of ours or of others; raises `BundleError`.

    Of `asked`, the port and `drain_seconds` are whose server it is; where the host is loopback's, requests for other
    hosts are refused. The application closes the models at the end of its life.
    """
    metrics = Metrics()
    opened = _opener(asked)
    read_ones = {check_name(name): read(folder) for name, folder in asked.bundles.items()}
    made = [
        Model(describe(bundle, asked.limits, name), opened(bundle, asked.workers), metrics)
        for name, bundle in read_ones.items()
    ]
    models = Models(made)
    if asked.beside is not None:
        _put_beside(made[0], asked, asked.beside, metrics)
    background: list[Callable[[], Coroutine[None, None, None]]] = []
    if asked.watch:
        background += [Watch(model, asked.bundles[model.name], opened, metrics).run for model in made]
    settings = Settings(
        loopback=is_loopback(asked.host),
        key=asked.key,
        log=log_line if asked.log_requests else None,
        traces=open_tracing(),
        vertex=Vertex.from_environment(),
        background=tuple(background),
        grpc=None if asked.grpc_port is None else (asked.host, asked.grpc_port),
    )
    return create_app(models, metrics, settings), models


def _opener(asked: Serving) -> Callable[[Bundle, int | None], list[OnnxRuntime]]:
    def opened(bundle: Bundle, workers: int | None) -> list[OnnxRuntime]:
        return open_runtimes(lambda threads: OnnxRuntime(bundle, threads), asked.threads, workers)

    return opened


def _put_beside(
    student: Model,
    asked: Serving,
    beside: Beside,
    metrics: Metrics,
) -> None:
    bundle = read(beside.bundle)
    check_one_label(student.info, bundle.manifest.answering)
    check_labels(student.info.labels, bundle.manifest.labels)
    runtimes = _opener(asked)(bundle, asked.workers)
    teacher = Model(describe(bundle, asked.limits, f"{student.name}.teacher"), runtimes, metrics)
    if beside.below is not None:
        student.cascade = Cascade(teacher, beside.below, metrics.registry)
    else:
        share = 0.05 if beside.share is None else beside.share
        student.shadow = Shadow(teacher, share, metrics.registry, keep_texts=beside.keep_texts)


class _Server(uvicorn.Server):
    """uvicorn, told by SIGTERM to say first that it is not ready, and to go on answering for a while."""

    def __init__(self, config: uvicorn.Config, models: Models, drain_seconds: float) -> None:
        super().__init__(config)
        self._models = models
        self._drain_seconds = drain_seconds
        self._draining = False

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002  uvicorn's signature
        """Stop in order; a second signal, or Ctrl-C, does not wait."""
        self._models.is_ready = False
        if sig == signal.SIGTERM and not self._draining:
            self._draining = True
            timer = threading.Timer(self._drain_seconds, self._end)
            timer.daemon = True
            timer.start()
        else:
            self._end()

    def _end(self) -> None:
        self.should_exit = True


def _run(app: FastAPI, models: Models, listening: socket.socket, asked: Serving) -> None:
    config = uvicorn.Config(
        app,
        http=PromptProtocol.with_at_most(asked.limits.connections),
        log_level="warning",
        access_log=False,  # paths and addresses of people are nobody's business
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=IN_FLIGHT_SECONDS,
    )
    # An ordered stop is no failure: the signal is not raised again, and the exit code is 0.
    _Server(config, models, asked.drain_seconds).run(sockets=[listening])
