"""`POST /` as Hugging Face's Inference API has it, so that `huggingface_hub.InferenceClient(model=URL)` works.

Answers are nested, a list for each text, also for a single one: the client takes the first element as the list of
labels. Of tasks whose clients expect it otherwise (`Answering.BARE_SINGLE`) a single text has its answer alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request, Response

from serve.front import Questions
from serve.inputs import Input
from serve.limits import Limits
from serve.model import Model
from serve.protocols import schemas
from serve.protocols.schemas import Schema
from serve.protocols.scores import PROBLEMS, known_fields, unreadable
from serve.request import as_json, check_texts, deadline_s, read_json, while_connected
from serve.tasks import Answer, Answering, SingleLabel
from serve.tasks.answering import Options

_FIELDS = ("inputs", "parameters", "options")  # options are read by the hosted service alone
_ONE_LABEL = SingleLabel()


def schema(*, pairs: bool = False, answering: Answering = _ONE_LABEL) -> Schema:
    """Of a body."""
    one = pair_schema(answering) if pairs else schemas.TEXT
    beside = answering.parameters_schema() if answering.FLAT_PARAMETERS else {}
    return schemas.strict(
        ["inputs"],
        inputs={"anyOf": [one, schemas.several(one)]},
        **beside,
        parameters=parameters_schema(answering),
        options=schemas.optional({"type": "object"}, "Read by the hosted service alone."),
    )


def pair_schema(answering: Answering = _ONE_LABEL) -> Schema:
    """A pair, as transformers' pipeline takes it."""
    return schemas.strict(list(answering.PAIR_FIELDS), **dict.fromkeys(answering.PAIR_FIELDS, schemas.TEXT))


def parameters_schema(answering: Answering = _ONE_LABEL) -> Schema:
    """Of `parameters`."""
    known = schemas.strict([], **answering.parameters_schema())
    return schemas.optional(known, "How the answer is given.")


@dataclass(frozen=True, slots=True)
class Query:
    """A request whose shape and sizes were checked."""

    texts: list[Input]
    options: Options  # of `Answer.told`
    bare: bool = False  # one text in no list, of a task whose clients expect its answer in none

    def told(self, answers: Sequence[Answer]) -> Any:
        """The answers as JSON."""
        found = [one.told(**self.options) for one in answers]
        return found[0] if self.bare else found


def routes(model: Model, questions: Questions) -> APIRouter:
    """`POST /` on this model."""
    router = APIRouter(tags=["Hugging Face"])

    pairs, answering = model.info.text_pair, model.info.answering
    examples = [example_pair(answering)] if pairs else ["a fine film", "a dull one"]
    body = schemas.json_body(schema(pairs=pairs, answering=answering), {"inputs": examples})

    @questions.post(router, "/", response_model=answering.REPLY, responses=PROBLEMS, openapi_extra=body)
    async def text_classification(request: Request) -> Response:
        """Answer a text, or several, each as transformers' pipeline for the model's task does."""
        limits, answering = model.info.limits, model.info.answering
        query = parse(await read_json(request, limits), limits, pairs=pairs, answering=answering)
        found = await while_connected(request, model.answer(query.texts, deadline_s(request)))
        return as_json(query.told(found.answers), found)

    return router


def example_pair(answering: Answering) -> dict[str, str]:
    """For people."""
    return dict(zip(answering.PAIR_FIELDS, answering.EXAMPLE_PAIR, strict=True))


def example(answering: Answering, *, pairs: bool) -> tuple[str, dict[str, Any]]:
    """The route of a first request, and its body."""
    if pairs:
        return "/", {"inputs": example_pair(answering)}
    return "/predict" if answering.SCORES_LABELS else "/", {"inputs": "some text"}


def parse(
    document: object, limits: Limits, *, pairs: bool = False, answering: Answering = _ONE_LABEL
) -> Query:
    """The query of a body; raises `Refusal` 413 or 422."""
    if not isinstance(document, dict) or "inputs" not in document:
        raise unreadable('The body must be an object such as {"inputs": "a fine film"}.')
    beside = tuple(answering.parameters_schema()) if answering.FLAT_PARAMETERS else ()
    known_fields(document, (*_FIELDS, *beside))
    if not isinstance(document.get("options"), dict | None):
        raise unreadable("options must be an object.")
    given = document.get("parameters")
    if given is None:
        given = {}
    if not isinstance(given, dict):
        raise unreadable("parameters must be an object.")
    options = answering.options({name: document[name] for name in beside if name in document} | given)
    fields = answering.PAIR_FIELDS
    inputs = document["inputs"]
    bare = answering.BARE_SINGLE and not isinstance(inputs, list)
    return Query(texts_of(inputs, "inputs", limits, fields if pairs else None), options, bare)


def texts_of(
    inputs: object, place: str, limits: Limits, fields: tuple[str, str] | None = None
) -> list[Input]:
    """A text or a list of texts; with the `fields` of a pair, one or a list of them. Raises `Refusal` 413 or 422."""
    items = inputs if isinstance(inputs, list) else [inputs]
    if not items:
        raise unreadable(f"{place} must not be empty.")
    texts = [_pair(item, place, fields) if fields else _text(item, place) for item in items]
    check_texts(texts, limits)
    return texts


def _text(item: object, place: str) -> Input:
    if not isinstance(item, str):
        raise unreadable(f"{place} must be a text, or a list of at least one text.")
    return item


def _pair(item: object, place: str, fields: tuple[str, str]) -> Input:
    if isinstance(item, dict) and set(item) == set(fields):
        first, second = (item[field] for field in fields)
        if isinstance(first, str) and isinstance(second, str):
            return first, second
    raise unreadable(
        f'{place} must be a pair, {{"{fields[0]}": "first", "{fields[1]}": "second"}}, or a list of pairs: '
        "the model was trained on pairs."
    )
