"""Labels with their scores, as several protocols answer them."""

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel

from serve.refusal import Refusal
from serve.tasks import Answer


class Score(BaseModel):
    """One label with its probability."""

    label: str
    score: float


class Problem(BaseModel):
    """Every answer that is not 200."""

    error: str
    error_type: str


PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem, "description": description}
    for status, description in {
        400: "not JSON",
        401: "no key, or another one",
        403: "from another site, or for another host",
        404: "no such route or model",
        405: "no such method on this route",
        408: "the body came too slowly",
        413: "over one of the limits that GET /info names",
        415: "a media type other than JSON",
        422: "JSON of another shape, or a text that cannot be read",
        429: "too much is waiting; see Retry-After",
        500: "the server failed on this request",
        503: "not ready yet, or stopping",
        504: "the deadline passed",
    }.items()
}


def scores(answer: Answer, top_k: int | None = None, *, raw: bool = False) -> list[dict[str, str | float]]:
    """The labels of one text, the most probable first; `raw` gives logits."""
    values = answer.logits if raw else answer.probabilities.values()
    ranked = sorted(zip(answer.probabilities, map(float, values), strict=True), key=lambda pair: -pair[1])
    return [{"label": label, "score": score} for label, score in ranked[:top_k]]


def known_fields(document: dict[str, object], known: Sequence[str], place: str = "") -> None:
    """Raise `Refusal` 422 for a field that is not known: what is not understood must not be passed over."""
    unknown = sorted(set(document) - set(known))
    if unknown:
        raise unreadable(f"Unknown field {unknown[0][:64]!r}{place}. Known fields: {', '.join(known)}.")


def whole_number(document: dict[str, object], name: str) -> int | None:
    """The field's value from 1, or None; raises `Refusal` 422."""
    value = document.get(name)
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # to JSON, 2.0 is a whole number
    # bool is an int in Python, but true is no number of labels.
    if value is not None and (type(value) is not int or value < 1):
        raise unreadable(f"{name} must be a whole number of at least 1.")
    return value


def true_or_false(document: dict[str, object], name: str) -> bool | None:
    """The field's value, or None; raises `Refusal` 422."""
    value = document.get(name)
    if value is not None and not isinstance(value, bool):
        raise unreadable(f"{name} must be true or false.")
    return value


def unreadable(message: str) -> Refusal:
    """Refusal 422."""
    return Refusal(422, "validation", message)
