"""Every request gets an id, is counted by its cause, and can be logged and traced: never with its text."""

import json
import re
import sys
import time
from collections.abc import Callable
from uuid import uuid4

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serve import tracing
from serve.guard import PUBLIC
from serve.metrics import Metrics
from serve.tracing import Trace, Tracing

_ID = re.compile(r"[A-Za-z0-9-]{1,64}")
_CAUSE = "cause"
_UNTRACED = PUBLIC | {"/metrics"}  # asked every few seconds by machines

Log = Callable[[dict[str, object]], None]


def log_line(fields: dict[str, object]) -> None:
    """One line of JSON on stderr; nothing in it can begin another."""
    sys.stderr.write(json.dumps(fields, ensure_ascii=True) + "\n")


class Ledger:
    """ASGI middleware around everything else."""

    def __init__(
        self, app: ASGIApp, metrics: Metrics, log: Log | None = None, traces: Tracing | None = None
    ) -> None:
        self._app = app
        self._metrics = metrics
        self._log = log
        self._traces = traces

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and write down what became of it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        given = headers.get("x-request-id", "")
        request_id = given if _ID.fullmatch(given) else uuid4().hex
        scope.setdefault("state", {})["request_id"] = request_id
        traced = self._traces is not None and scope["path"] not in _UNTRACED
        trace = tracing.begin(headers) if traced else None
        start, status = time.perf_counter(), 500

        async def passed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["x-request-id"] = request_id
            await send(message)

        try:
            await self._app(scope, receive, passed)
        finally:
            self._write(scope, request_id, status, time.perf_counter() - start, trace)

    def _write(self, scope: Scope, request_id: str, status: int, seconds: float, trace: Trace | None) -> None:
        # The template and not the path: a client can invent paths without end.
        route = getattr(scope.get("route"), "path", "other")
        cause = scope["state"].get(_CAUSE, "ok" if status < 400 else f"http-{status}")
        self._metrics.request(route, status, cause, seconds)
        if self._log is not None:
            self._log(
                {
                    "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
                    "request_id": request_id,
                    "method": scope["method"],
                    "route": route,
                    "status": status,
                    "cause": cause,
                    "ms": round(1000 * seconds, 2),
                }
            )
        if self._traces is not None and trace is not None:
            self._traces.end(
                trace,
                f"{scope['method']} {route}",
                {
                    "http.request.method": scope["method"],
                    "http.route": route,
                    "http.response.status_code": status,
                    "compress.cause": cause,
                    "compress.request_id": request_id,
                },
                failed=status >= 500,
            )
