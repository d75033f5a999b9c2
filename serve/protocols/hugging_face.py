"""`POST /` as Hugging Face's Inference API has it, so that `huggingface_hub.InferenceClient(model=URL)` works.

Answers are nested, a list for each text, also for a single one: the client takes the first element as the list of
labels.
"""

from dataclasses import dataclass

from fastapi import APIRouter, Request, Response

from serve.front import Answering
from serve.inputs import Input
from serve.limits import Limits
from serve.model import Model
from serve.protocols import schemas
from serve.protocols.schemas import Schema
from serve.protocols.scores import PROBLEMS, Score, known_fields, scores, unreadable, whole_number
from serve.request import as_json, check_texts, deadline_s, read_json, while_connected

_FIELDS = ("inputs", "parameters", "options")  # options are read by the hosted service alone
_PARAMETERS = ("function_to_apply", "top_k")


def schema(*, pairs: bool = False) -> Schema:
    """Of a body."""
    one = pair_schema() if pairs else schemas.TEXT
    return schemas.strict(
        ["inputs"],
        inputs={"anyOf": [one, schemas.several(one)]},
        parameters=parameters_schema(),
        options=schemas.optional({"type": "object"}, "Read by the hosted service alone."),
    )


def pair_schema() -> Schema:
    """A pair, as transformers' pipeline takes it."""
    return schemas.strict(["text", "text_pair"], text=schemas.TEXT, text_pair=schemas.TEXT)


def parameters_schema() -> Schema:
    """Of `parameters`."""
    functions = {
        "enum": ["softmax", "none", None],
        "description": "softmax (by default), or none for logits.",
    }
    known = schemas.strict(
        [], function_to_apply=functions, top_k=schemas.optional(schemas.COUNT, "So many labels.")
    )
    return schemas.optional(known, "How the answer is given.")


@dataclass(frozen=True, slots=True)
class Query:
    """A request whose shape and sizes were checked."""

    texts: list[Input]
    top_k: int | None
    raw: bool


def routes(model: Model, answering: Answering) -> APIRouter:
    """`POST /` on this model."""
    router = APIRouter(tags=["Hugging Face"])

    pairs = model.info.text_pair
    examples = (
        [{"text": "a fine film", "text_pair": "a good one"}] if pairs else ["a fine film", "a dull one"]
    )
    body = schemas.json_body(schema(pairs=pairs), {"inputs": examples})

    @answering.post(router, "/", response_model=list[list[Score]], responses=PROBLEMS, openapi_extra=body)
    async def text_classification(request: Request) -> Response:
        """Answer a text, or several, with a list of labels for each, the most probable first."""
        limits = model.info.limits
        query = parse(await read_json(request, limits), limits, pairs=pairs)
        found = await while_connected(request, model.answer(query.texts, deadline_s(request)))
        return as_json([scores(one, query.top_k, raw=query.raw) for one in found.answers], found)

    return router


def parse(document: object, limits: Limits, *, pairs: bool = False) -> Query:
    """The query of a body; raises `Refusal` 413 or 422."""
    if not isinstance(document, dict) or "inputs" not in document:
        raise unreadable('The body must be an object such as {"inputs": "a fine film"}.')
    known_fields(document, _FIELDS)
    if not isinstance(document.get("options"), dict | None):
        raise unreadable("options must be an object.")
    given = document.get("parameters")
    if given is None:
        given = {}
    if not isinstance(given, dict):
        raise unreadable("parameters must be an object.")
    known_fields(given, _PARAMETERS, " in parameters")
    function = given.get("function_to_apply")
    if function not in (None, "softmax", "none"):
        raise unreadable(
            "parameters.function_to_apply must be softmax or none: the labels exclude each other."
        )
    texts = texts_of(document["inputs"], "inputs", limits, pairs=pairs)
    return Query(texts, whole_number(given, "top_k"), function == "none")


def texts_of(inputs: object, place: str, limits: Limits, *, pairs: bool = False) -> list[Input]:
    """A text or a list of texts; a pair or a list of pairs. Raises `Refusal` 413 or 422."""
    items = inputs if isinstance(inputs, list) else [inputs]
    if not items:
        raise unreadable(f"{place} must not be empty.")
    texts = [_pair(item, place) if pairs else _text(item, place) for item in items]
    check_texts(texts, limits)
    return texts


def _text(item: object, place: str) -> Input:
    if not isinstance(item, str):
        raise unreadable(f"{place} must be a text, or a list of at least one text.")
    return item


def _pair(item: object, place: str) -> Input:
    if isinstance(item, dict) and set(item) == {"text", "text_pair"}:
        first, second = item["text"], item["text_pair"]
        if isinstance(first, str) and isinstance(second, str):
            return first, second
    raise unreadable(
        f'{place} must be a pair, {{"text": "first", "text_pair": "second"}}, or a list of pairs: '
        "the model was trained on pairs."
    )
