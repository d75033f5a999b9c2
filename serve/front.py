"""The one way in: every request gets an id, passes the gate, is answered, and is written down.

Requests that ask for answers are nearly all there are, so they go from here straight to whom they ask (`Questions`).
The rest, and whatever is no route at all, goes through FastAPI. What either may raise becomes the same refusal.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from fastapi import APIRouter, Request, Response
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send

from serve.errors import InputError
from serve.guard import Guard
from serve.ledger import Entry, Ledger
from serve.refusal import Refusal

BROKEN = 500

Answer = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Asked:
    """Who answers a path, and the template that stands for it where requests are counted."""

    answer: Answer
    template: str


@dataclass(frozen=True, slots=True)
class Questions:
    """The routes that ask a model. FastAPI describes them; `Front` calls them without FastAPI's steps."""

    by_path: dict[str, Asked] = field(default_factory=dict)

    def post(self, router: APIRouter, path: str, **described: Any) -> Callable[[Answer], Answer]:
        """Decorate what answers POST requests on this path."""

        def added(answer: Answer) -> Answer:
            router.add_api_route(path, answer, methods=["POST"], **described)
            self.add(path, answer)
            return answer

        return added

    def add(self, path: str, answer: Answer, template: str | None = None) -> None:
        """A path that is asked by POST; of one with names in it, also the template by which FastAPI knows it."""
        self.by_path[path] = Asked(answer, template or path)


class Front:
    """The outermost ASGI application, around `app`, which is FastAPI."""

    def __init__(
        self, app: ASGIApp, guard: Callable[[ASGIApp], Guard], ledger: Ledger, questions: Questions
    ) -> None:
        self._app = app
        self._guard = guard(app)
        self._ledger = ledger
        self._asked = questions.by_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request, and write down what became of it."""
        if scope["type"] != "http":
            await self._guard(scope, receive, send)
            return
        entry = self._ledger.begin(scope, send)
        try:
            await self._answer(scope, receive, entry)
        finally:
            self._ledger.end(entry)

    async def _answer(self, scope: Scope, receive: Receive, entry: Entry) -> None:
        refusal = self._guard.refusal(scope)
        if refusal is None:
            asked = self._asked.get(scope["path"]) if scope["method"] == "POST" else None
            if asked is None:
                await self._app(scope, receive, entry.send)
                return
            entry.route = asked.template
            try:
                response = await asked.answer(Request(scope, receive))
            except Exception as error:
                refusal = refusal_of(error)
                if refusal.status == BROKEN:
                    await self._refuse(refusal, scope, receive, entry)
                    raise  # for the server's log
        if refusal is not None:
            await self._refuse(refusal, scope, receive, entry)
        else:
            await response(scope, receive, entry.send)

    async def _refuse(self, refusal: Refusal, scope: Scope, receive: Receive, entry: Entry) -> None:
        entry.cause = refusal.error_type
        await refusal.response(scope["path"])(scope, receive, entry.send)


def refusal_of(error: Exception) -> Refusal:
    """What the client is told."""
    match error:
        case Refusal():
            return error
        case InputError():
            return Refusal(422, "validation", f"Found {error.found}; expected {error.expected}.")
        case ClientDisconnect():
            # Nobody reads this; without it the log would call a client that left a failure of the server.
            return Refusal(400, "disconnected", "The client went away.")
        case _:
            return Refusal(BROKEN, "internal", "The server failed on this request.")
