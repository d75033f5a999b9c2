"""What a person types: a box for one text, or two for a pair; and how boxes become what the models are asked."""

from collections.abc import Sequence
from dataclasses import dataclass

from serve.errors import InputError
from serve.inputs import Input, parts

MAX_CHARACTERS = 5_000  # of each box


@dataclass(frozen=True, slots=True)
class Field:
    """One box of the page, one parameter of the named endpoints, one part of a link to a case."""

    name: str  # as in evaluation.jsonl
    label: str
    placeholder: str


@dataclass(frozen=True, slots=True)
class Form:
    """The boxes of a page, in the order of what the models read."""

    fields: tuple[Field, ...]  # one, or two of a pair

    @property
    def takes_pairs(self) -> bool:
        """Whether two texts are asked together."""
        return len(self.fields) == 2

    def asked(self, values: Sequence[str | None]) -> Input:
        """What the models are asked, from what stands in the boxes; raises `InputError` for what is not taken here."""
        texts = tuple(value or "" for value in values)
        for field, text in zip(self.fields, texts, strict=True):
            _check(text, field.label if self.takes_pairs else "text")
        return texts[0] if len(texts) == 1 else (texts[0], texts[1])

    def values(self, asked: Input | None) -> list[str]:
        """What stands in the boxes when this is asked; nothing in any of them for None."""
        return [""] * len(self.fields) if asked is None else [text.strip() for text in parts(asked)]


def _check(text: str, called: str) -> None:
    if not text.strip():
        raise InputError(
            "no text" if called == "text" else f"nothing in the box {called!r}",
            "something to read",
            "type a text first, or pick a test row",
        )
    if len(text) > MAX_CHARACTERS:
        where = "a text" if called == "text" else f"a text, in the box {called!r},"
        raise InputError(
            f"{where} of {len(text):,} characters",
            f"at most {MAX_CHARACTERS:,} on this page",
            "cut it, or answer a file with `compress predict`",
        )
