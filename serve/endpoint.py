"""The HTTP endpoint over one model or several, as a FastAPI application.

curl localhost:8080/predict -H 'Content-Type: application/json' -d '{"inputs": "a fine film"}'
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send

from serve import __version__, metrics
from serve.errors import InputError
from serve.front import Front, Questions, refusal_of
from serve.guard import Guard
from serve.info import Info
from serve.key import Key
from serve.ledger import Ledger, Log
from serve.metrics import Metrics
from serve.models import Models
from serve.protocols import clouds, embed, hugging_face, open_inference, openai, tei
from serve.protocols.clouds import Vertex
from serve.protocols.scores import PROBLEMS
from serve.refusal import Refusal
from serve.tracing import Tracing

if TYPE_CHECKING:
    from grpc import aio

_GRPC_GRACE_S = 20


@dataclass(frozen=True)
class Settings:
    """How the application is reached."""

    loopback: bool = True  # refuse requests whose Host header is not this machine
    key: Key | None = None
    log: Log | None = None
    traces: Tracing | None = None
    vertex: Vertex = field(default_factory=lambda: Vertex(None, None, None))
    background: tuple[Callable[[], Coroutine[None, None, None]], ...] = ()  # what runs beside the requests
    grpc: tuple[str, int] | None = None  # host and port


class Endpoint(FastAPI):
    """FastAPI behind `Front`, which lets in, answers and counts."""

    def __init__(self, front: Callable[[ASGIApp], Front], **told: Any) -> None:
        super().__init__(**told)
        self._front = front(super().__call__)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        await self._front(scope, receive, send)


def create_app(models: Models, counted: Metrics, settings: Settings | None = None) -> FastAPI:
    """The application; it is ready from its start on, and closes the models at its end."""
    settings = settings or Settings()
    first = models.first

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(work()) for work in settings.background]
        grpc_server = await _started_grpc(models, counted, settings)
        models.is_ready = True
        yield
        models.is_ready = False
        for task in tasks:
            task.cancel()
        if grpc_server is not None:
            await grpc_server.stop(_GRPC_GRACE_S)
        await asyncio.to_thread(models.close)
        if settings.traces is not None:
            await asyncio.to_thread(settings.traces.close)

    questions = Questions()
    front = partial(
        Front,
        guard=partial(Guard, loopback=settings.loopback, key=settings.key),
        ledger=Ledger(counted, settings.log, settings.traces),
        questions=questions,
    )
    app = Endpoint(
        front,
        title=first.name,
        description=f"Answers {first.info.task}.",
        version=__version__,
        lifespan=lifespan,
        responses={status: PROBLEMS[status] for status in (401, 403)},
    )
    _answer_errors_as_json(app)

    @app.get("/health", responses={503: PROBLEMS[503]}, tags=["life"])
    @app.get("/ping", responses={503: PROBLEMS[503]}, tags=["life"])
    async def health() -> dict[str, str]:
        """Answer 200 while the server takes requests, else 503."""
        models.require_ready()
        return {"status": "ok"}

    if settings.vertex.health is not None and settings.vertex.health not in ("/health", "/ping"):
        app.get(settings.vertex.health, responses={503: PROBLEMS[503]}, tags=["life"])(health)

    @app.get("/info", tags=["life"])
    async def information() -> Info:
        """Tell which model answers and within which limits."""
        return first.info

    @app.get("/metrics", response_class=Response, tags=["life"])
    async def exposition() -> Response:
        """Count, for Prometheus."""
        return Response(counted.exposed(), media_type=metrics.CONTENT_TYPE)

    if (shadow := first.shadow) is not None:

        @app.get("/shadow", tags=["life"])
        async def disagreements() -> list[dict[str, object]]:
            """List the last texts on which the teacher in the shadow says something else."""
            return [asdict(one) for one in shadow.log]

    if first.info.answering.SCORES_LABELS:
        app.include_router(tei.routes(first, questions))
    if first.info.answering.EMBEDS:
        app.include_router(embed.routes(first, questions))
        app.include_router(openai.routes(models, questions))
    app.include_router(hugging_face.routes(first, questions))
    app.include_router(clouds.routes(first, settings.vertex, questions))
    app.include_router(open_inference.routes(models, questions))
    return app


async def _started_grpc(models: Models, counted: Metrics, settings: Settings) -> "aio.Server | None":
    if settings.grpc is None:
        return None
    from serve import grpc_server  # an extra

    host, port = settings.grpc
    server, _ = await grpc_server.start(models, counted, host, port, key=settings.key, traces=settings.traces)
    return server


def _answer_errors_as_json(app: FastAPI) -> None:
    def answer(request: Request, refusal: Refusal) -> JSONResponse:
        request.state.cause = refusal.error_type
        return refusal.response(request.scope["path"])

    @app.exception_handler(Refusal)
    @app.exception_handler(InputError)
    @app.exception_handler(ClientDisconnect)
    @app.exception_handler(
        Exception
    )  # starlette raises this one again after the answer, for the server's log
    async def refused(request: Request, error: Exception) -> JSONResponse:
        return answer(request, refusal_of(error))

    @app.exception_handler(HTTPException)
    async def unrouted(request: Request, error: HTTPException) -> JSONResponse:
        response = answer(request, Refusal(error.status_code, "http", f"{error.detail}."))
        response.headers.update(error.headers or {})
        return response
