"""Reading a request and waiting for its answer, for every protocol over HTTP alike."""

import asyncio
import json
from collections.abc import Awaitable, Sequence
from typing import Any, TypeVar

import orjson
from fastapi import Request, Response
from starlette.requests import ClientDisconnect

from serve.batcher import Answered
from serve.body import read_body
from serve.headers import headers_of
from serve.inputs import Input, parts
from serve.interruption import Interruption
from serve.limits import Limits
from serve.refusal import Refusal

Result = TypeVar("Result")

_JSON_TYPES = ("", "application/json")  # a request without the header is taken for JSON
_QUICK_S = 0.02  # before that, nobody looks whether the client is still there


async def read_json(request: Request, limits: Limits) -> Any:
    """The body as JSON; raises `Refusal` 400, 408, 413 or 415."""
    check_headers(request)
    return parse_json(await read_body(request, limits))


def parse_json(body: bytes) -> Any:
    """What the JSON says; raises `Refusal` 400, and 422 for half of a surrogate pair.

    What orjson refuses is read nowhere: such a half cannot be written back, nor can a number over a float's be used.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        pass
    try:
        json.dumps(json.loads(body.decode("utf-8")), ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        raise Refusal(
            422,
            "validation",
            "A string has half of a surrogate pair (\\ud800 to \\udfff), which is no Unicode.",
        ) from None
    except (ValueError, RecursionError):  # RecursionError: a body of nothing but brackets
        pass
    raise Refusal(400, "bad_json", "The body is not valid JSON in UTF-8.")


def check_headers(request: Request, *more: str) -> None:
    """Raise `Refusal` 415 for a body that is marked as anything but plain JSON, or one of the kinds in `more`.

    Web forms can be sent from any page without the browser asking first, so they are not read as JSON.
    """
    headers = headers_of(request.scope)
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    is_json = kind in _JSON_TYPES or (kind.startswith("application/") and kind.endswith("+json"))
    if not is_json and kind not in more:
        raise Refusal(415, "unsupported_media_type", "Send the request as application/json.")
    if headers.get("content-encoding", "").strip().lower() not in ("", "identity"):
        raise Refusal(415, "unsupported_media_type", "Send the request uncompressed.")


def check_texts(texts: Sequence[Input], limits: Limits) -> None:
    """Raise `Refusal` 413 for more or longer texts than one request may have."""
    if len(texts) > limits.texts:
        raise Refusal(
            413, "too_large", f"{len(texts)} texts in one request; at most {limits.texts} are answered."
        )
    longest = max((len(part) for asked in texts for part in parts(asked)), default=0)
    if longest > limits.characters:
        raise Refusal(413, "too_large", f"A text of {longest} characters; at most {limits.characters}.")


async def while_connected(request: Request, answering: Awaitable[Result]) -> Result:
    """The answer; raises `ClientDisconnect`, and gives the work up, where the client goes away meanwhile."""
    gone = Interruption()
    watch = _Watch(request, gone)
    try:
        return await answering
    except asyncio.CancelledError:
        if gone.was_it():
            raise ClientDisconnect from None
        raise
    finally:
        watch.end()


class _Watch:
    """Looks, after a moment, whether the client is still there; most answers come before."""

    def __init__(self, request: Request, gone: Interruption) -> None:
        self._receive = request.receive
        self._gone = gone
        self._looking: asyncio.Task[None] | None = None
        self._timer = asyncio.get_running_loop().call_later(_QUICK_S, self._begin)

    def end(self) -> None:
        """The answer is there, or not wanted."""
        self._timer.cancel()
        if self._looking is not None:
            self._looking.cancel()

    def _begin(self) -> None:
        self._looking = asyncio.get_running_loop().create_task(self._look())

    async def _look(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._gone()


def deadline_s(request: Request) -> float | None:
    """The seconds that the client allows in `X-Request-Timeout`; None where it says nothing. Raises `Refusal` 422."""
    given = headers_of(request.scope).get("x-request-timeout")
    if given is None:
        return None
    try:
        seconds = float(given)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise Refusal(422, "validation", "X-Request-Timeout must be a number of seconds above 0.")
    return seconds


def as_json(
    content: object, found: Answered | None = None, headers: dict[str, str] | None = None
) -> Response:
    """A response in JSON, with the times of the answers in its headers."""
    return Response(
        orjson.dumps(content),
        media_type="application/json",
        headers={**(measured(found) if found else {}), **(headers or {})},
    )


def measured(found: Answered) -> dict[str, str]:
    """Where the time went, in milliseconds, by the names that text-embeddings-inference gave these headers."""
    whole = found.tokenize_s + found.queue_s + found.infer_s
    return {
        "x-truncated": "true" if any(answer.truncated for answer in found.answers) else "false",
        "x-compute-type": "cpu",
        "x-compute-tokens": str(sum(answer.tokens for answer in found.answers)),
        "x-compute-time": f"{1000 * whole:.2f}",  # what its other clients read
        "x-total-time": f"{1000 * whole:.2f}",
        "x-tokenization-time": f"{1000 * found.tokenize_s:.2f}",
        "x-queue-time": f"{1000 * found.queue_s:.2f}",
        "x-inference-time": f"{1000 * found.infer_s:.2f}",
        "x-batch-size": str(found.together),
    }
