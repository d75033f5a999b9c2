"""From a bundle's folder to a listening HTTP server."""

import signal
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from serve.bundle import read
from serve.endpoint import create_app, describe
from serve.guard import is_loopback
from serve.limits import Limits
from serve.listening import check_host, listen
from serve.runtime import OnnxRuntime

_IN_FLIGHT_SECONDS = 30  # for requests that were taken before the server was told to stop


def serve_bundle(
    bundle: Path,
    host: str = "127.0.0.1",
    port: int = 8080,
    *,
    threads: int | None = None,
    limits: Limits | None = None,
    insecure: bool = False,
    ready: Callable[[str], None] | None = None,
) -> None:
    """Answer HTTP requests from a bundle until SIGTERM or SIGINT; in-flight requests are finished first.

    `ready` is called with the URL once connections are taken; port 0 takes a free port. Raises
    `UserError` for a host that others can reach unless `insecure`, and for an address that is taken;
    `BundleError` for the bundle.
    """
    check_host(host, insecure=insecure)
    with listen(host, port) as listening:
        checked = read(bundle)
        runtime = OnnxRuntime(checked, threads)
        runtime.predict(["warm up"])  # the first inference allocates
        app = create_app(runtime, describe(checked, limits or Limits()), loopback=is_loopback(host))
        if ready is not None:
            shown = f"[{host}]" if ":" in host else host
            ready(f"http://{shown}:{listening.getsockname()[1]}")
        _run(app, listening)


def _run(app: FastAPI, listening: socket.socket) -> None:
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,  # paths and addresses of people are nobody's business
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=_IN_FLIGHT_SECONDS,
    )
    server = uvicorn.Server(config)

    def stop(_number: int, _frame: object) -> None:
        server.should_exit = True

    previous = {}
    if threading.current_thread() is threading.main_thread():
        # uvicorn stops on a signal, then raises it again for whoever handled it before; by default that
        # ends the process with code 143. An ordered stop is no failure, so we are who handled it before.
        previous = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        server.run(sockets=[listening])
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
