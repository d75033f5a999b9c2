"""The HTTP endpoint over a runtime, as a FastAPI application.

curl localhost:8080/predict -d '{"inputs": "a fine film"}'
"""

import json
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from serve.body import read_body
from serve.bundle import MANIFEST, Bundle, sha256
from serve.errors import InputError
from serve.guard import Guard
from serve.limits import Limits
from serve.predictor import Predictor
from serve.refusal import Refusal
from serve.tasks import Answer
from serve.wire import PredictRequest, Problem, Score, check_headers, parse, reply
from serve.worker import Worker

# The body is read by hand, for its limits, so its shape is told to OpenAPI here.
_REQUEST_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": PredictRequest.model_json_schema()}},
    }
}
_PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem, "description": description}
    for status, description in {
        400: "not JSON",
        403: "from another site, or for another host",
        408: "the body came too slowly",
        413: "over one of the limits that GET /info names",
        415: "a media type other than JSON",
        422: "JSON of another shape",
        429: "too many requests are waiting; see Retry-After",
    }.items()
}


class Info(BaseModel):
    """What `GET /info` tells: which model answers, and what it may be asked."""

    model_config = ConfigDict(frozen=True)

    name: str
    task: str
    labels: list[str]
    precision: str
    max_length: int  # tokens; the end of a longer text is not read
    verdict: str
    created: str
    bundle_sha256: str  # of bundle.json, which holds the digest of every other file
    limits: Limits


def describe(bundle: Bundle, limits: Limits) -> Info:
    """The public facts about a bundle."""
    manifest = bundle.manifest
    return Info(
        name=manifest.name,
        task=manifest.task,
        labels=manifest.labels,
        precision=manifest.precision,
        max_length=manifest.max_length,
        verdict=manifest.verdict,
        created=manifest.created,
        bundle_sha256=sha256(bundle.folder / MANIFEST),
        limits=limits,
    )


def create_app(runtime: Predictor, info: Info, *, loopback: bool = True) -> FastAPI:
    """The application; `loopback` also refuses requests whose Host header is not this machine."""
    worker = Worker(info.limits.waiting)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        worker.close()

    app = FastAPI(title=info.name, description=f"Answers {info.task}.", lifespan=lifespan)
    app.add_middleware(Guard, loopback=loopback)
    _answer_errors_as_json(app)

    @app.get("/health")
    async def health() -> dict[str, str]:
        """Answer 200 while the server can take requests."""
        return {"status": "ok"}

    @app.get("/info")
    async def information() -> Info:
        """Tell which model answers and within which limits."""
        return info

    @app.post(
        "/predict",
        response_model=list[Score] | list[list[Score]],
        responses=_PROBLEMS,
        openapi_extra=_REQUEST_BODY,
    )
    async def predict(request: Request) -> Response:
        """Answer one text with its labels, the most probable first, or a list of texts with a list each."""
        check_headers(request.headers.get("content-type", ""), request.headers.get("content-encoding", ""))
        query = parse(await read_body(request, info.limits), info.limits)
        answers, milliseconds = await worker.run(lambda: _timed(runtime, query.texts))
        # Not JSONResponse's default: NaN is no JSON, so a model that gives it is a bug to be seen.
        content = json.dumps(reply(query, answers), ensure_ascii=False, allow_nan=False)
        return Response(content, media_type="application/json", headers=_measured(answers, milliseconds))

    return app


def _timed(runtime: Predictor, texts: Sequence[str]) -> tuple[list[Answer], float]:
    start = time.perf_counter()
    answers = runtime.predict(texts)
    return answers, 1000 * (time.perf_counter() - start)


def _measured(answers: Sequence[Answer], milliseconds: float) -> dict[str, str]:
    return {
        "x-truncated": str(any(answer.truncated for answer in answers)).lower(),
        "x-compute-tokens": str(sum(answer.tokens for answer in answers)),
        "x-inference-time": f"{milliseconds:.2f}",  # waiting not included
    }


def _answer_errors_as_json(app: FastAPI) -> None:
    @app.exception_handler(Refusal)
    async def refused(_: Request, refusal: Refusal) -> JSONResponse:
        return refusal.response()

    @app.exception_handler(InputError)
    async def unanswerable(_: Request, error: InputError) -> JSONResponse:
        message = f"Found {error.found}; expected {error.expected}."
        return Refusal(422, "validation", message).response()

    @app.exception_handler(ClientDisconnect)
    async def gone(_: Request, __: ClientDisconnect) -> JSONResponse:
        # Nobody reads this; without it the log would call a client that left a failure of the server.
        return Refusal(400, "disconnected", "The client went away.").response()

    @app.exception_handler(HTTPException)
    async def unrouted(_: Request, error: HTTPException) -> JSONResponse:
        response = Refusal(error.status_code, "http", f"{error.detail}.").response()
        response.headers.update(error.headers or {})
        return response

    @app.exception_handler(Exception)
    async def broken(_: Request, __: Exception) -> JSONResponse:
        # The traceback goes to the server's log; starlette raises the exception again after this.
        return Refusal(500, "internal", "The server failed on this request.").response()
