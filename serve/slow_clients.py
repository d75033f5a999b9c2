"""Connections that do not send their request, headers without end, and more connections than there may be are closed.

uvicorn itself takes all of them.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from serve.limits import Limits

HEADERS_S = 10.0  # from the connection, or from the first byte of a request, to the end of its headers
HEAD_BYTES = 65_536  # that may come without a body: a request's line and headers, or what follows its body

_TOLD = b'{"error":"The headers are larger than 65536 bytes.","error_type":"too_large"}'
_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\nContent-Type: application/json\r\n"
    b"Content-Length: %d\r\nConnection: close\r\n\r\n%b" % (len(_TOLD), _TOLD)
)


_BUSY = b'{"error":"Too many connections are open. Try again in 1 second.","error_type":"overloaded"}'
_TOO_MANY = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nRetry-After: 1\r\n"
    b"Content-Length: %d\r\nConnection: close\r\n\r\n%b" % (len(_BUSY), _BUSY)
)


class PromptProtocol(HttpToolsProtocol):
    """uvicorn's protocol with a deadline for a request's headers, and ceilings on their size and on connections.

    The parser gathers a header piece by piece and copies it each time, so that a long one would hold up everybody.
    Where a process has no more descriptors it takes no connection at all; the ceiling stays below what is usual.
    """

    _slow: asyncio.TimerHandle | None = None
    _is_within_headers = False
    _room = HEAD_BYTES
    _most = Limits().connections

    @classmethod
    def with_at_most(cls, connections: int) -> type["PromptProtocol"]:
        """The protocol of a server that has so many connections at once; a further one is told so and closed."""
        return type(cls.__name__, (cls,), {"_most": connections})

    def connection_made(self, transport: Any) -> None:
        """The client has to speak."""
        super().connection_made(transport)
        if len(self.connections) > self._most:
            transport.write(_TOO_MANY)
            transport.close()
            return
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Most requests come in one piece; a client that has only begun one has to end it."""
        self._room -= len(data)
        super().data_received(data)
        if self._room < 0 and not self.transport.is_closing():
            self._refuse()
        elif self._is_within_headers and self._slow is None:
            self._wait()

    def on_message_begin(self) -> None:
        """The client has begun."""
        super().on_message_begin()
        self._wait_no_more()
        self._is_within_headers = True
        self._room = HEAD_BYTES

    def on_headers_complete(self) -> None:
        """From here on the body has its own deadline."""
        self._wait_no_more()
        self._is_within_headers = False
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """How much of this there may be is said elsewhere, in the limits."""
        super().on_body(body)
        self._room = HEAD_BYTES

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody is waited for."""
        self._wait_no_more()
        super().connection_lost(exc)

    def _refuse(self) -> None:
        """Told where no answer to another request is on its way."""
        if self._is_within_headers and (self.cycle is None or self.cycle.response_complete):
            self.transport.write(_TOO_LARGE)
        self.transport.close()

    def _wait(self) -> None:
        self._slow = self.loop.call_later(HEADERS_S, self.transport.close)

    def _wait_no_more(self) -> None:
        if self._slow is not None:
            self._slow.cancel()
            self._slow = None
