"""What a person types for each task: one text today; a task with two inputs adds its two fields here."""

from collections.abc import Sequence
from dataclasses import dataclass

from serve.errors import InputError, UserError

MAX_CHARACTERS = 5_000


@dataclass(frozen=True, slots=True)
class Field:
    """One box."""

    name: str  # as in evaluation.jsonl
    label: str
    placeholder: str


FORMS: dict[str, tuple[Field, ...]] = {
    "text-classification": (Field("text", "Text", "Type a text, then press Compare"),),
}


def form(task: str) -> tuple[Field, ...]:
    """The boxes of a task; raises `UserError` for a task that the page does not know."""
    if task not in FORMS:
        raise UserError(
            f"a bundle for {task}",
            f"one of the tasks that the demo shows: {', '.join(FORMS)}",
            "install a version of compress-toolchain that shows it",
        )
    return FORMS[task]


def typed(values: Sequence[str | None]) -> str:
    """What the models are asked, from what stands in the boxes; raises `InputError` for what is not taken here."""
    (text,) = (value or "" for value in values)
    if not text.strip():
        raise InputError("no text", "something to read", "type a text first, or pick a test row")
    if len(text) > MAX_CHARACTERS:
        raise InputError(
            f"a text of {len(text):,} characters",
            f"at most {MAX_CHARACTERS:,} on this page",
            "cut it, or answer a file with `compress predict`",
        )
    return text
