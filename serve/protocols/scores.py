"""Labels with their scores, as several protocols answer them."""

from typing import Any

from pydantic import BaseModel

from serve.protocols.fields import known_fields, true_or_false, unreadable, whole_number
from serve.tasks import Answer
from serve.tasks.answering import Score

__all__ = [
    "PROBLEMS",
    "Problem",
    "Score",
    "known_fields",
    "scores",
    "true_or_false",
    "unreadable",
    "whole_number",
]


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
    told: list[dict[str, str | float]] = answer.told(top_k, raw=raw)
    return told
