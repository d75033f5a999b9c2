"""`POST /v1/embeddings` as OpenAI has it, so that `openai.OpenAI(base_url=URL + "/v1")` works.

curl localhost:8080/v1/embeddings -H 'Content-Type: application/json' -d '{"input": ["a fine film"]}'

The client asks for base64 unless told otherwise: the vector's float32, little-endian.
"""

import base64
from dataclasses import dataclass
from typing import Any, Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from serve.front import Questions
from serve.inputs import Input
from serve.limits import Limits
from serve.model import Model
from serve.models import Models
from serve.protocols import schemas
from serve.protocols.embed import check_dimensions, numbers, vectors_of, vectors_wide
from serve.protocols.fields import known_fields, unreadable
from serve.protocols.hugging_face import texts_of
from serve.protocols.scores import PROBLEMS
from serve.refusal import Refusal
from serve.request import deadline_s, measured, read_json, while_connected
from serve.tasks.answering import Array

_FIELDS = ("input", "model", "encoding_format", "dimensions", "user")
_FORMATS = ("float", "base64")


class Fault(BaseModel):
    """Why a request is not answered."""

    message: str
    type: str
    param: str | None
    code: str | None


class Problem(BaseModel):
    """Every answer that is not 200, as this protocol's clients read it."""

    error: Fault


class Usage(BaseModel):
    """Tokens that the model saw, special tokens included."""

    prompt_tokens: int
    total_tokens: int


class Item(BaseModel):
    """One text's vector."""

    object: Literal["embedding"]
    index: int
    embedding: list[float] | str


class Embeddings(BaseModel):
    """The answer."""

    object: Literal["list"]
    data: list[Item]
    model: str
    usage: Usage


@dataclass(frozen=True, slots=True)
class _Query:
    texts: list[Input]
    encoded: bool


def routes(models: Models, questions: Questions) -> APIRouter:
    """`POST /v1/embeddings` and `GET /v1/models` on these models."""
    router = APIRouter(tags=["OpenAI"])
    schema = schemas.strict(
        ["input"],
        input={"anyOf": [schemas.TEXT, schemas.several(schemas.TEXT)]},
        model=schemas.optional({"enum": models.names}, "The first one, where it is left out."),
        encoding_format=schemas.optional({"enum": list(_FORMATS)}, "float by default."),
        dimensions={"enum": [vectors_wide(models.first), None], "description": "Not shortened."},
        user=schemas.optional({"type": "string"}, "Not read."),
    )
    problems: dict[int | str, dict[str, Any]] = {
        status: {**said, "model": Problem} for status, said in PROBLEMS.items()
    }
    body = schemas.json_body(schema, {"input": ["a fine film"], "encoding_format": "float"})

    @questions.post(
        router, "/v1/embeddings", response_model=Embeddings, responses=problems, openapi_extra=body
    )
    async def embeddings(request: Request) -> Response:
        """Answer a text, or several, with a vector for each."""
        document = await read_json(request, models.first.info.limits)
        model = _asked(models, document)
        query = parse(document, model.info.limits, vectors_wide(model))
        found = await while_connected(request, model.answer(query.texts, deadline_s(request)))
        cut = [place for place, answer in enumerate(found.answers) if answer.truncated]
        if cut:
            raise Refusal(
                400,
                "too_long",
                f"input[{cut[0]}] has more than {model.info.max_length} tokens, which is what this model reads. "
                "Cut it into pieces, or ask POST /embed, which leaves out its end.",
            )
        tokens = sum(answer.tokens for answer in found.answers)
        content = {
            "object": "list",
            "data": [
                {
                    "object": "embedding",
                    "index": index,
                    "embedding": _encoded(vector) if query.encoded else vector,
                }
                for index, vector in enumerate(vectors_of(found.answers))
            ],
            "model": model.name,
            "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
        }
        return numbers(content, measured(found))

    @router.get("/v1/models")
    async def listed() -> dict[str, Any]:
        """List the models."""
        data = [
            {"id": name, "object": "model", "created": 0, "owned_by": "compress"} for name in models.names
        ]
        return {"object": "list", "data": data}

    return router


def parse(document: dict[str, object], limits: Limits, width: int) -> _Query:
    """The query of a body; raises `Refusal` 413 or 422."""
    known_fields(document, _FIELDS)
    given = document["input"]
    tokens = given[0] if isinstance(given, list) and given else None
    if type(tokens) is int or isinstance(tokens, list):
        raise unreadable("input must be text: token numbers are those of another model's tokenizer.")
    asked = document.get("encoding_format")
    if asked not in (None, *_FORMATS):
        raise unreadable(f"encoding_format must be {' or '.join(_FORMATS)}.")
    if not isinstance(document.get("user"), str | None):
        raise unreadable("user must be a string.")
    check_dimensions(document, width)
    return _Query(texts_of(given, "input", limits), asked == "base64")


def _asked(models: Models, document: object) -> Model:
    """The model of this name, the first one where none is named; raises `Refusal` 404 or 422."""
    if not isinstance(document, dict) or "input" not in document:
        raise unreadable('The body must be an object such as {"input": ["a fine film"]}.')
    name = document.get("model")
    if name is None:
        return models.first
    if not isinstance(name, str):
        raise unreadable("model must be the name of a model.")
    model = models.named(name)
    if not model.info.answering.EMBEDS:
        raise unreadable(f"The model {name} answers {model.info.task} and gives no embeddings.")
    return model


def _encoded(vector: Array) -> str:
    return base64.b64encode(vector.astype("<f4").tobytes()).decode()
