"""Connections that do not send their request are closed: uvicorn itself waits for headers without end."""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEADERS_S = 10.0  # from the connection, or from the first byte of a request, to the end of its headers


class PromptProtocol(HttpToolsProtocol):
    """uvicorn's protocol with a deadline for a request's headers."""

    _slow: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """The client has to speak."""
        super().connection_made(transport)
        self._wait()

    def on_message_begin(self) -> None:
        """The client has begun, and has to end."""
        super().on_message_begin()
        self._wait()

    def on_headers_complete(self) -> None:
        """From here on the body has its own deadline."""
        self._wait_no_more()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody is waited for."""
        self._wait_no_more()
        super().connection_lost(exc)

    def _wait(self) -> None:
        self._wait_no_more()
        self._slow = self.loop.call_later(HEADERS_S, self.transport.close)

    def _wait_no_more(self) -> None:
        if self._slow is not None:
            self._slow.cancel()
            self._slow = None
