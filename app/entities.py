"""Entities of two answers and of tagged words, in terms in which they can be compared."""

from collections.abc import Sequence
from typing import Any

from app.views.marked import Part
from serve.tasks import Answer, Tagging
from serve.tasks.entities import OUTSIDE, Told, kind_of

Key = tuple[int, int, str]  # first character, the one after the last, and the type


def keys(answer: Answer) -> dict[Key, Told]:
    """The entities by where they stand and what they are."""
    assert isinstance(answer, Tagging)
    return {(int(one["start"]), int(one["end"]), str(kind_in(one))): one for one in answer.entities}


def name(text: str, one: Told) -> str:
    """An entity for people, in the text's own spelling."""
    return f"{inside(text, one)} ({kind_in(one)})"


def right_ones(words: Sequence[Sequence[Any]]) -> set[Key]:
    """The entities of tagged words: the number of the first word, the one after the last, and the type."""
    found: list[tuple[int, int, str]] = []
    for place, (_, _, tag) in enumerate(words):
        prefix, kind = kind_of(str(tag))
        if tag == OUTSIDE:
            continue
        goes_on = found and prefix != "B" and found[-1][1:] == (place, kind)
        if goes_on:
            found[-1] = (found[-1][0], place + 1, kind)
        else:
            found.append((place, place + 1, kind))
    return set(found)


def by_words(answer: Answer, words: Sequence[tuple[int, int, str]]) -> set[Key]:
    """The entities of an answer in the same terms: a word is of the entity in which it begins."""
    found: set[Key] = set()
    for start, end, kind in keys(answer):
        inside = [place for place, (first, *_) in enumerate(words) if start <= first < end]
        if inside:
            found.add((inside[0], inside[-1] + 1, kind))
    return found


def joined(parts_: Sequence[Part]) -> list[Part]:
    """Parts that overlap as one, so that none is lost."""
    found: list[Part] = []
    for one in sorted(parts_, key=lambda part: (part.start, part.end)):
        if found and one.start < found[-1].end:
            found[-1] = Part(found[-1].start, max(found[-1].end, one.end), apart=True)
        else:
            found.append(one)
    return found


def kind_in(one: Told) -> Any:
    """Its type, under whichever name it is told."""
    return one.get("entity_group", one.get("entity"))


def score_of(one: Told | None) -> float:
    """How sure it is; 0 where it is not there."""
    return float(one["score"]) if one else 0.0


def inside(text: str, one: Told) -> str:
    """Its characters."""
    return text[int(one["start"]) : int(one["end"])]
