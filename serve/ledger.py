"""Every request gets an id, is counted by its cause, and can be logged and traced: never with its text."""

import json
import re
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from starlette.types import Message, Scope, Send

from serve import tracing
from serve.guard import PUBLIC
from serve.headers import headers_of
from serve.metrics import Metrics
from serve.tracing import Trace, Tracing

_ID = re.compile(r"[A-Za-z0-9-]{1,64}")
_UNTRACED = PUBLIC | {"/metrics"}  # asked every few seconds by machines
_FAILED = 500

Log = Callable[[dict[str, object]], None]


def log_line(fields: dict[str, object]) -> None:
    """One line of JSON on stderr; nothing in it can begin another."""
    sys.stderr.write(json.dumps(fields, ensure_ascii=True) + "\n")


@dataclass(slots=True)
class Entry:
    """What is noted of a request while it is answered."""

    scope: Scope
    request_id: str
    trace: Trace | None
    since: float
    passed_on: Send
    status: int = _FAILED  # until an answer begins
    route: str | None = None  # its template; None: FastAPI knows
    cause: str | None = None  # None: the status says enough

    async def send(self, message: Message) -> None:
        """Pass the answer on, with the request's id."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = [*message.get("headers", ()), (b"x-request-id", self.request_id.encode())]
        await self.passed_on(message)


class Ledger:
    """The books: what was asked, and what became of it."""

    def __init__(self, metrics: Metrics, log: Log | None = None, traces: Tracing | None = None) -> None:
        self._metrics = metrics
        self._log = log
        self._traces = traces
        self._random = Random()  # noqa: S311  an id is no secret

    def begin(self, scope: Scope, send: Send) -> Entry:
        """Open the entry of a request."""
        headers = headers_of(scope)
        given = headers.get("x-request-id", "")
        request_id = given if _ID.fullmatch(given) else f"{self._random.getrandbits(128):032x}"
        traced = self._traces is not None and scope["path"] not in _UNTRACED
        trace = tracing.begin(headers) if traced else None
        return Entry(scope, request_id, trace, time.perf_counter(), send)

    def end(self, entry: Entry) -> None:
        """Count it, and log and trace it where that is wanted."""
        seconds = time.perf_counter() - entry.since
        scope, status = entry.scope, entry.status
        # The template and not the path: a client can invent paths without end.
        route = str(entry.route or getattr(scope.get("route"), "path", "other"))
        told = "ok" if status < 400 else f"http-{status}"
        cause = entry.cause or str(scope.get("state", {}).get("cause", told))
        self._metrics.request(route, status, cause, seconds)
        if self._log is not None:
            self._log(
                {
                    "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
                    "request_id": entry.request_id,
                    "method": scope["method"],
                    "route": route,
                    "status": status,
                    "cause": cause,
                    "ms": round(1000 * seconds, 2),
                }
            )
        if self._traces is not None and entry.trace is not None:
            self._traces.end(
                entry.trace,
                f"{scope['method']} {route}",
                {
                    "http.request.method": scope["method"],
                    "http.route": route,
                    "http.response.status_code": status,
                    "compress.cause": cause,
                    "compress.request_id": entry.request_id,
                },
                failed=status >= _FAILED,
            )
