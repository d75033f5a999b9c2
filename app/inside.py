"""The page's server fetches nothing from elsewhere, whatever it is asked.

Gradio fetches an address that stands where a file's path should, in `/gradio_api/file=` and in the input of an event,
as long as its host is public. So anybody who reaches the page could look at the web through it. Here it is refused.
"""

import re
from collections.abc import Awaitable, Callable
from pathlib import Path

import gradio as gr
from starlette.types import ASGIApp, Receive, Scope, Send

from serve.refusal import Refusal

_ADDRESS = re.compile(r"/gradio_api/(file=.*//|proxy=)", re.IGNORECASE)
_ONE_RANGE = re.compile(rb"bytes=\d{1,15}-\d{0,15}")

_Moved = Callable[[str | Path | None], Awaitable[str | None]]


class Inside:
    """ASGI middleware that refuses addresses in place of files, and passes on a `Range` header of one range only.

    Gradio answers a list of ranges with an error and a traceback, and Starlette once parsed such lists in quadratic
    time (CVE-2025-62727). A server may ignore the header (RFC 9110, section 14.2), so what is not one plain range is.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, perhaps without the header, or refuse it."""
        if scope["type"] == "http":
            if _ADDRESS.match(scope["path"]):
                refusal = Refusal(403, "forbidden", "This server fetches nothing from other addresses.")
                await refusal.response()(scope, receive, send)
                return
            headers = [
                pair for pair in scope["headers"] if pair[0] != b"range" or _ONE_RANGE.fullmatch(pair[1])
            ]
            scope = {**scope, "headers": headers}
        await self._app(scope, receive, send)


def stay_inside(page: gr.Blocks) -> None:
    """Refuse addresses in place of files in the inputs of every component of the page."""
    name = "async_move_resource_to_block_cache"
    for block in page.blocks.values():
        setattr(block, name, _refusing(getattr(block, name)))


def _refusing(move: _Moved) -> _Moved:
    async def moved(place: str | Path | None) -> str | None:
        if place is not None and "//" in str(place):
            raise gr.Error(
                "Found an address; expected an uploaded file.", title="Not done", print_exception=False
            )
        return await move(place)

    return moved
