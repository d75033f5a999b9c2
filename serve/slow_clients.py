"""Connections that do not send their request are closed: uvicorn itself waits for headers without end."""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEADERS_S = 10.0  # from the connection, or from the first byte of a request, to the end of its headers


class PromptProtocol(HttpToolsProtocol):
    """uvicorn's protocol with a deadline for a request's headers."""

    _slow: asyncio.TimerHandle | None = None
    _is_within_headers = False

    def connection_made(self, transport: Any) -> None:
        """The client has to speak."""
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Most requests come in one piece; a client that has only begun one has to end it."""
        super().data_received(data)
        if self._is_within_headers and self._slow is None:
            self._wait()

    def on_message_begin(self) -> None:
        """The client has begun."""
        super().on_message_begin()
        self._wait_no_more()
        self._is_within_headers = True

    def on_headers_complete(self) -> None:
        """From here on the body has its own deadline."""
        self._wait_no_more()
        self._is_within_headers = False
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody is waited for."""
        self._wait_no_more()
        super().connection_lost(exc)

    def _wait(self) -> None:
        self._slow = self.loop.call_later(HEADERS_S, self.transport.close)

    def _wait_no_more(self) -> None:
        if self._slow is not None:
            self._slow.cancel()
            self._slow = None
