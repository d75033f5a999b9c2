"""The endpoint's requests and answers as JSON; the shapes are those of text-embeddings-inference.

One difference: there a list of two strings is one pair of texts, here every list is a batch, because no
task of ours takes pairs yet. A batch may also be written as lists of one text each, which both read the same.
"""

import json
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field

from serve.limits import Limits
from serve.refusal import Refusal
from serve.tasks import Answer

_JSON_TYPES = ("", "application/json")  # a request without the header is taken for JSON


class PredictRequest(BaseModel):
    """What `POST /predict` takes."""

    model_config = ConfigDict(extra="forbid")

    inputs: str | list[str] | list[list[str]] = Field(
        description="One text, or a batch: a list of texts, or of lists of one text each.",
        examples=["a fine film", ["a fine film", "a dull one"]],
    )
    top_k: int | None = Field(default=None, ge=1, description="Only the most probable labels, this many.")


class Score(BaseModel):
    """One label with its probability."""

    label: str
    score: float


class Problem(BaseModel):
    """Every answer that is not 200."""

    error: str
    error_type: str


class Query(BaseModel):
    """A request whose shape and sizes were checked."""

    texts: list[str]
    is_batch: bool
    top_k: int | None


def check_headers(content_type: str, content_encoding: str) -> None:
    """Raise `Refusal` 415 for a body that is marked as anything but plain JSON.

    Web forms can be sent from any page without the browser asking first, so they are not read as JSON.
    """
    kind = content_type.partition(";")[0].strip().lower()
    if kind not in _JSON_TYPES and not (kind.startswith("application/") and kind.endswith("+json")):
        raise Refusal(415, "unsupported_media_type", "Send the request as application/json.")
    if content_encoding.strip().lower() not in ("", "identity"):
        raise Refusal(415, "unsupported_media_type", "Send the request uncompressed.")


def parse(body: bytes, limits: Limits) -> Query:
    """The query in a request's body; raises `Refusal` 400, 413 or 422."""
    try:
        document = json.loads(body.decode("utf-8"))
    # RecursionError: a body of nothing but brackets.
    except (ValueError, RecursionError):
        raise Refusal(400, "bad_json", "The body is not valid JSON in UTF-8.") from None
    if not isinstance(document, dict) or "inputs" not in document:
        raise _unreadable('The body must be an object such as {"inputs": "a fine film"}.')
    unknown = sorted(set(document) - set(PredictRequest.model_fields))
    if unknown:
        raise _unreadable(f"Unknown field {json.dumps(unknown[0][:64])}. Known fields: inputs, top_k.")
    top_k = document.get("top_k")
    # bool is an int in Python, but true is no number of labels.
    if top_k is not None and (type(top_k) is not int or top_k < 1):
        raise _unreadable("top_k must be a whole number of at least 1.")
    inputs = document["inputs"]
    texts = [inputs] if isinstance(inputs, str) else _batch(inputs)
    _check_sizes(texts, limits)
    return Query(texts=texts, is_batch=not isinstance(inputs, str), top_k=top_k)


def scores(answer: Answer, top_k: int | None) -> list[dict[str, str | float]]:
    """The labels of one text, the most probable first."""
    ranked = sorted(answer.probabilities.items(), key=lambda pair: -pair[1])
    return [{"label": label, "score": score} for label, score in ranked[:top_k]]


def reply(query: Query, answers: Sequence[Answer]) -> list[object]:
    """The answer's JSON: a flat list for one text, a list of lists for a batch."""
    listed: list[object] = [scores(answer, query.top_k) for answer in answers]
    return listed if query.is_batch else list(scores(answers[0], query.top_k))


def _batch(inputs: object) -> list[str]:
    if not isinstance(inputs, list) or not inputs:
        raise _unreadable("inputs must be a text or a list of at least one text.")
    texts = []
    for place, item in enumerate(inputs):
        text = item[0] if isinstance(item, list) and len(item) == 1 else item
        if not isinstance(text, str):
            raise _unreadable(f"inputs[{place}] must be a text; pairs of texts are not answered.")
        texts.append(text)
    return texts


def _check_sizes(texts: Sequence[str], limits: Limits) -> None:
    if len(texts) > limits.texts:
        raise Refusal(
            413, "too_large", f"{len(texts)} texts in one request; at most {limits.texts} are answered."
        )
    longest = max(map(len, texts))
    if longest > limits.characters:
        raise Refusal(413, "too_large", f"A text of {longest} characters; at most {limits.characters}.")


def _unreadable(message: str) -> Refusal:
    return Refusal(422, "validation", message)
