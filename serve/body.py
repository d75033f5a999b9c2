"""Reading a request's body with a ceiling on its size and on the time it may take."""

import asyncio

from fastapi import Request
from starlette.requests import ClientDisconnect

from serve.headers import headers_of
from serve.interruption import Interruption
from serve.limits import Limits
from serve.refusal import Refusal

_DISCARDED_AT_MOST = 16_000_000  # bytes
_DISCARDING_AT_MOST = 4.0  # seconds; common clients wait five


class _Arriving:
    """Bytes of the bodies that are not complete: of all requests in this process, whose memory they fill."""

    bytes = 0


async def read_body(request: Request, limits: Limits) -> bytes:
    """The whole body; raises `Refusal` 413 over the size, whether declared or not, and 408 over the time.

    429 where too much of others' bodies is arriving; what comes in one piece is not refused for that.
    """
    headers = headers_of(request.scope)
    declared = headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > limits.body_bytes:
        # A client that asked first (Expect: 100-continue) has sent nothing yet.
        if "expect" not in headers:
            await _discard(request)
        raise _too_large(limits)
    body, is_last, counted = bytearray(), False, 0
    late = Interruption()
    timer = asyncio.get_running_loop().call_later(limits.body_seconds, late)
    try:
        while not is_last and len(body) <= limits.body_bytes:
            piece, is_last = await _next_piece(request)
            body += piece
            if not is_last:
                _Arriving.bytes += len(piece)
                counted += len(piece)
                if _Arriving.bytes > limits.arriving_bytes:
                    raise Refusal(
                        429, "overloaded", "Too many large bodies are arriving. Try again in 1 second."
                    )
    except asyncio.CancelledError:
        if late.was_it():
            raise Refusal(408, "timeout", "The body took too long to arrive.") from None
        raise
    finally:
        timer.cancel()
        _Arriving.bytes -= counted
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
