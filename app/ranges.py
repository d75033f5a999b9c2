"""Requests for parts of a file: one part at a time, or the whole file.

Gradio answers a list of ranges with an error and a traceback, and Starlette once parsed such lists in quadratic time
(CVE-2025-62727). A server may ignore the header (RFC 9110, section 14.2), so what is not one plain range is.
"""

import re

from starlette.types import ASGIApp, Receive, Scope, Send

_ONE = re.compile(rb"bytes=(\d{1,15}-\d{0,15})")


class OneRange:
    """ASGI middleware that passes on a `Range` header only if it asks for one range."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, perhaps without the header."""
        if scope["type"] == "http":
            headers = [
                (name, value) for name, value in scope["headers"] if name != b"range" or _ONE.fullmatch(value)
            ]
            scope = {**scope, "headers": headers}
        await self._app(scope, receive, send)
