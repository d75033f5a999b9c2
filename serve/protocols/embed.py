"""`POST /embed` as text-embeddings-inference has it: a text or a list of texts in, a list of vectors out.

curl localhost:8080/embed -H 'Content-Type: application/json' -d '{"inputs": ["a fine film", "a good movie"]}'
"""

import numpy as np
import orjson
from fastapi import APIRouter, Request, Response

from serve.front import Questions
from serve.inputs import Input
from serve.limits import Limits
from serve.model import Model
from serve.protocols import schemas
from serve.protocols.fields import known_fields, true_or_false, unreadable
from serve.protocols.hugging_face import texts_of
from serve.protocols.scores import PROBLEMS
from serve.request import deadline_s, measured, read_json, while_connected
from serve.tasks import Answer, Embedding
from serve.tasks.answering import Array
from serve.tasks.embedding import unit

_FIELDS = ("inputs", "normalize", "truncate", "truncation_direction", "prompt_name", "dimensions")


def routes(model: Model, questions: Questions) -> APIRouter:
    """`POST /embed` on this model."""
    router = APIRouter(tags=["text-embeddings-inference"])
    width = vectors_wide(model)
    schema = schemas.strict(
        ["inputs"],
        inputs={"anyOf": [schemas.TEXT, schemas.several(schemas.TEXT)]},
        normalize=schemas.optional(schemas.FLAG, "Vectors of length 1, by default."),
        truncate=schemas.optional(schemas.FLAG, "false refuses a text that is longer than the model reads."),
        truncation_direction={"enum": ["right", "Right", None], "description": "The end is cut off."},
        prompt_name={"enum": [None], "description": "The model has no prompts."},
        dimensions={"enum": [width, None], "description": "Not shortened."},
    )
    body = schemas.json_body(schema, {"inputs": ["a fine film", "a good movie"]})

    @questions.post(
        router, "/embed", response_model=list[list[float]], responses=PROBLEMS, openapi_extra=body
    )
    async def embed(request: Request) -> Response:
        """Answer a text, or several, with a vector for each."""
        limits = model.info.limits
        document = await read_json(request, limits)
        texts, normalize, truncate = parse(document, limits, vectors_wide(model))
        found = await while_connected(request, model.answer(texts, deadline_s(request)))
        if not truncate and any(answer.truncated for answer in found.answers):
            raise unreadable(f"A text has more than {model.info.max_length} tokens, and truncate is false.")
        vectors = vectors_of(found.answers)
        return numbers(list(unit(vectors) if normalize else vectors), measured(found))

    return router


def parse(document: object, limits: Limits, width: int) -> tuple[list[Input], bool, bool]:
    """Texts, whether vectors get length 1, and whether long texts are cut; raises `Refusal` 413 or 422."""
    if not isinstance(document, dict) or "inputs" not in document:
        raise unreadable('The body must be an object such as {"inputs": ["a fine film"]}.')
    known_fields(document, _FIELDS)
    if document.get("truncation_direction") not in (None, "right", "Right"):
        raise unreadable("truncation_direction must be right: the end of a long text is cut off.")
    if document.get("prompt_name") is not None:
        raise unreadable("prompt_name must be left out: this model has no prompts.")
    check_dimensions(document, width)
    texts = texts_of(document["inputs"], "inputs", limits)
    normalize, truncate = (true_or_false(document, name) is not False for name in ("normalize", "truncate"))
    return texts, normalize, truncate


def check_dimensions(document: dict[str, object], width: int) -> None:
    """Raise `Refusal` 422 for vectors of another width than the model's."""
    asked = document.get("dimensions")
    if asked is not None and (type(asked) is not int or asked != width):
        raise unreadable(
            f"dimensions must be {width}, or be left out: this model's vectors are not shortened."
        )


def vectors_wide(model: Model) -> int:
    """Numbers of a vector."""
    return int(model.info.answering.outputs(1)[0].width or 0)


def vectors_of(answers: list[Answer]) -> Array:
    """(texts, width)."""
    return np.stack([answer.vector for answer in answers if isinstance(answer, Embedding)])


def numbers(content: object, headers: dict[str, str]) -> Response:
    """A response in JSON whose float32 are written with as many digits as they have."""
    written = orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY)
    return Response(written, media_type="application/json", headers=headers)
