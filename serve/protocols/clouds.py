"""The routes that managed services call: SageMaker's `/ping` and `/invocations`, Vertex AI's by its variables."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

from fastapi import APIRouter, Request, Response

from serve.errors import UserError
from serve.front import Questions
from serve.model import Model
from serve.protocols import hugging_face, schemas
from serve.protocols.schemas import Schema
from serve.protocols.scores import PROBLEMS, known_fields, unreadable
from serve.request import as_json, check_texts, deadline_s, read_json, while_connected
from serve.tasks import Answering

_PATH = re.compile(r"/[A-Za-z0-9._~:/-]{0,200}")


@dataclass(frozen=True)
class Vertex:
    """What Vertex AI tells a container by its environment."""

    health: str | None
    predict: str | None
    port: int | None

    @classmethod
    def from_environment(cls, variables: Mapping[str, str] = os.environ) -> "Vertex":
        """`AIP_HEALTH_ROUTE`, `AIP_PREDICT_ROUTE` and `AIP_HTTP_PORT`; raises `UserError` for what is no path."""
        routes = {}
        for name in ("AIP_HEALTH_ROUTE", "AIP_PREDICT_ROUTE"):
            routes[name] = variables.get(name)
            if routes[name] is not None and not _PATH.fullmatch(str(routes[name])):
                raise UserError(f"{name}={routes[name]!r}", "a path such as /predict", "mend the variable")
        port = variables.get("AIP_HTTP_PORT")
        if port is not None and not port.isdecimal():
            raise UserError(f"AIP_HTTP_PORT={port!r}", "a port number", "mend the variable")
        return cls(routes["AIP_HEALTH_ROUTE"], routes["AIP_PREDICT_ROUTE"], int(port) if port else None)


def _instances(*, pairs: bool, answering: Answering) -> Schema:
    one = {"anyOf": [schemas.TEXT, schemas.strict(["text"], text=schemas.TEXT)]}
    if pairs:
        one = hugging_face.pair_schema(answering)
    return schemas.strict(
        ["instances"], instances=schemas.several(one), parameters=hugging_face.parameters_schema(answering)
    )


def routes(model: Model, vertex: Vertex, questions: Questions) -> APIRouter:
    """`POST /invocations` as Hugging Face's containers answer it, and Vertex AI's prediction route where it is set."""
    router = APIRouter(tags=["managed services"])
    pairs, answering = model.info.text_pair, model.info.answering
    example = hugging_face.example_pair(answering) if pairs else "a fine film"
    body = schemas.json_body(hugging_face.schema(pairs=pairs, answering=answering), {"inputs": example})

    @questions.post(
        router, "/invocations", response_model=answering.REPLY, responses=PROBLEMS, openapi_extra=body
    )
    async def invocations(request: Request) -> Response:
        """Answer as `POST /` does."""
        limits, answering = model.info.limits, model.info.answering
        query = hugging_face.parse(await read_json(request, limits), limits, pairs=pairs, answering=answering)
        found = await while_connected(request, model.answer(query.texts, deadline_s(request)))
        return as_json(query.told(found.answers), found)

    if vertex.predict is not None:
        instances = schemas.json_body(_instances(pairs=pairs, answering=answering), {"instances": [example]})

        @questions.post(router, vertex.predict, responses=PROBLEMS, openapi_extra=instances)
        async def vertex_predict(request: Request) -> Response:
            """Answer `{"instances": [...]}` with `{"predictions": [...]}`."""
            limits = model.info.limits
            document = await read_json(request, limits)
            answering = model.info.answering
            query = hugging_face.parse(_as_inputs(document), limits, pairs=pairs, answering=answering)
            check_texts(query.texts, limits)
            found = await while_connected(request, model.answer(query.texts, deadline_s(request)))
            predictions = [one.told(**query.options) for one in found.answers]
            return as_json({"predictions": predictions}, found)

    return router


def _as_inputs(document: object) -> dict[str, object]:
    if not isinstance(document, dict) or not isinstance(document.get("instances"), list):
        raise unreadable('The body must be an object such as {"instances": ["a fine film"]}.')
    known_fields(document, ("instances", "parameters"))
    texts = [
        one["text"] if isinstance(one, dict) and set(one) == {"text"} else one
        for one in document["instances"]
    ]
    return {"inputs": texts, "parameters": document.get("parameters")}
