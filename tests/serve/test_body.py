"""A body of unknown length is read up to the limit and not a piece further, and no more of it is kept."""

import asyncio
import tracemalloc

import pytest
from fastapi import Request

from serve.body import _DISCARDED_AT_MOST, read_body
from serve.limits import Limits
from serve.refusal import Refusal

PIECE = 65_536


def test_a_body_without_an_end_is_given_up_at_the_limit() -> None:
    given = 0

    async def receive() -> dict[str, object]:
        nonlocal given
        given += PIECE
        await asyncio.sleep(0)
        return {"type": "http.request", "body": bytes(PIECE), "more_body": True}

    request = Request({"type": "http", "headers": []}, receive)
    tracemalloc.start()
    with pytest.raises(Refusal) as refused:
        asyncio.run(read_body(request, Limits(body_bytes=10 * PIECE, body_seconds=3)))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert refused.value.status == 413
    assert given <= 12 * PIECE + _DISCARDED_AT_MOST + PIECE
    assert peak < 40 * PIECE  # of what is discarded nothing is kept
