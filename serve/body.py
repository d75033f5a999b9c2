"""Reading a request's body with a ceiling on its size and on the time it may take."""

import asyncio

from fastapi import Request
from starlette.requests import ClientDisconnect

from serve.headers import headers_of
from serve.limits import Limits
from serve.refusal import Refusal

_DISCARDED_AT_MOST = 16_000_000  # bytes
_DISCARDING_AT_MOST = 4.0  # seconds; common clients wait five


async def read_body(request: Request, limits: Limits) -> bytes:
    """The whole body; raises `Refusal` 413 over the size, whether declared or not, and 408 over the time."""
    headers = headers_of(request.scope)
    declared = headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > limits.body_bytes:
        # A client that asked first (Expect: 100-continue) has sent nothing yet.
        if "expect" not in headers:
            await _discard(request)
        raise _too_large(limits)
    body, is_last = bytearray(), False
    try:
        async with asyncio.timeout(limits.body_seconds):
            while not is_last and len(body) <= limits.body_bytes:
                piece, is_last = await _next_piece(request)
                body += piece
    except TimeoutError:
        raise Refusal(408, "timeout", "The body took too long to arrive.") from None
    if len(body) <= limits.body_bytes:
        return bytes(body)
    if not is_last:
        await _discard(request)
    raise _too_large(limits)


async def _next_piece(request: Request) -> tuple[bytes, bool]:
    """The next bytes of the body (at most 64 KiB under uvicorn), and whether they are the last."""
    message = await request.receive()
    if message["type"] == "http.disconnect":
        raise ClientDisconnect
    return message.get("body", b""), not message.get("more_body", False)


async def _discard(request: Request) -> None:
    """Read on for a while without keeping anything.

    A client that is still sending when the connection closes sees a broken pipe and never reads the
    answer. How much is read is bounded, so that it cannot send for ever.
    """
    discarded, is_last = 0, False
    try:
        async with asyncio.timeout(_DISCARDING_AT_MOST):
            while not is_last and discarded < _DISCARDED_AT_MOST:
                piece, is_last = await _next_piece(request)
                discarded += len(piece)
    except TimeoutError:
        return


def _too_large(limits: Limits) -> Refusal:
    return Refusal(413, "too_large", f"The body is larger than {limits.body_bytes} bytes.")
