"""`POST /predict` as text-embeddings-inference has it: a string is a text, two strings are a pair, lists a batch.

curl localhost:8080/predict -H 'Content-Type: application/json' -d '{"inputs": "a fine film"}'
curl localhost:8080/predict -H 'Content-Type: application/json' -d '{"inputs": [["a fine film"], ["a dull one"]]}'
"""

from dataclasses import dataclass

from fastapi import APIRouter, Request, Response

from serve.front import Questions
from serve.inputs import Input, Pair, characters
from serve.limits import Limits
from serve.model import Model
from serve.protocols import schemas
from serve.protocols.schemas import Schema
from serve.protocols.scores import (
    PROBLEMS,
    Score,
    known_fields,
    scores,
    true_or_false,
    unreadable,
    whole_number,
)
from serve.refusal import Refusal
from serve.request import as_json, check_texts, deadline_s, read_json, while_connected

_FIELDS = ("inputs", "top_k", "raw_scores", "truncate")


def _schema(*, pairs: bool) -> Schema:
    if pairs:
        one = schemas.PAIR
        inputs = {
            "anyOf": [one, schemas.several(one)],
            "description": "A pair: a list of two texts; or a batch: a list of pairs.",
        }
    else:
        one = schemas.several(schemas.TEXT, most=1)
        inputs = {
            "anyOf": [schemas.TEXT, one, schemas.several(one)],
            "description": "One text, as a string or a list of one; or a batch: a list of lists of one text each.",
        }
    return schemas.strict(
        ["inputs"],
        inputs=inputs,
        top_k=schemas.optional(schemas.COUNT, "Only the most probable labels, this many."),
        raw_scores=schemas.optional(schemas.FLAG, "Logits instead of probabilities."),
        truncate=schemas.optional(schemas.FLAG, "false refuses a text that is longer than the model reads."),
    )


@dataclass(frozen=True, slots=True)
class _Query:
    texts: list[Input]
    is_batch: bool
    top_k: int | None
    raw: bool
    truncate: bool


def routes(model: Model, questions: Questions) -> APIRouter:
    """`POST /predict` on this model."""
    router = APIRouter(tags=["text-embeddings-inference"])
    pairs = model.info.text_pair
    example = ["a fine film", "a good one"] if pairs else "a fine film"

    @questions.post(
        router,
        "/predict",
        response_model=list[Score] | list[list[Score]],
        responses=PROBLEMS,
        openapi_extra=schemas.json_body(_schema(pairs=pairs), {"inputs": example}),
    )
    async def predict(request: Request) -> Response:
        """Answer one text with its labels, the most probable first, or a batch with a list for each text."""
        limits = model.info.limits
        query = parse(await read_json(request, limits), limits, pairs=pairs)
        found = await while_connected(request, model.answer(query.texts, deadline_s(request)))
        if not query.truncate and any(answer.truncated for answer in found.answers):
            raise unreadable(f"A text has more than {model.info.max_length} tokens, and truncate is false.")
        listed = [scores(answer, query.top_k, raw=query.raw) for answer in found.answers]
        counted = {"x-compute-characters": str(sum(map(characters, query.texts)))}
        return as_json(listed if query.is_batch else listed[0], found, counted)

    return router


def parse(document: object, limits: Limits, *, pairs: bool = False) -> _Query:
    """The query of a body; raises `Refusal` 413 or 422."""
    if not isinstance(document, dict) or "inputs" not in document:
        raise unreadable('The body must be an object such as {"inputs": "a fine film"}.')
    known_fields(document, _FIELDS)
    inputs = document["inputs"]
    is_batch = isinstance(inputs, list) and any(isinstance(item, list) for item in inputs)
    texts: list[Input]
    if pairs:
        items = inputs if is_batch else [inputs]
        texts = [
            _pair(item, f"inputs[{place}]" if is_batch else "inputs") for place, item in enumerate(items)
        ]
    elif is_batch:
        texts = [_text(item, f"inputs[{place}]", bare=False) for place, item in enumerate(inputs)]
    else:
        texts = [_text(inputs, "inputs")]
    check_texts(texts, limits)
    return _Query(
        texts=texts,
        is_batch=is_batch,
        top_k=whole_number(document, "top_k"),
        raw=bool(true_or_false(document, "raw_scores")),
        truncate=true_or_false(document, "truncate") is not False,
    )


def _text(item: object, place: str, *, bare: bool = True) -> str:
    """A string where it may stand bare, or a list of one; a list of two is a pair."""
    if bare and isinstance(item, str):
        return item
    if isinstance(item, list) and len(item) == 1 and isinstance(item[0], str):
        return item[0]
    if isinstance(item, list) and len(item) == 2 and all(isinstance(one, str) for one in item):
        raise _no_pairs(place)
    raise unreadable(f"{place} must be a text, or a list of one text; a batch is a list of such lists.")


def _pair(item: object, place: str) -> Pair:
    if isinstance(item, list) and len(item) == 2 and all(isinstance(one, str) for one in item):
        return item[0], item[1]
    raise unreadable(
        f"{place} must be a pair of texts, as the model was trained on: "
        '{"inputs": ["first", "second"]}, or a list of such pairs.'
    )


def _no_pairs(place: str) -> Refusal:
    return unreadable(
        f"{place} is a pair of texts, and this model answers single texts. A batch of two is "
        '{"inputs": [["first"], ["second"]]}.'
    )
