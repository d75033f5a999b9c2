"""Texts that a model finds nearest to another one, beside what the other model finds, as HTML."""

from collections.abc import Sequence
from html import escape

Near = tuple[str, float]  # a text, and its cosine
_LONGEST = 140  # characters of a text


def nearest(text: str, teacher: Sequence[Near], student: Sequence[Near]) -> str:
    """Both lists, the nearest first; nothing where there is none for the student."""
    if not student:
        return ""
    both = {one for one, _ in teacher} & {one for one, _ in student}
    lists = "".join(
        _side(name, found, both if teacher else set())
        for name, found in (("Teacher", teacher), ("Student", student))
        if found
    )
    told = f" Both find {len(both)} of {len(student)}, in bold." if teacher else ""
    return (
        f'<div class="attribution near"><h2>Nearest of the test texts</h2><p class="note">To the first text, '
        f"\u201c{escape(_cut(text))}\u201d, among the second texts of all rows.{told}</p>"
        f'<div class="sides">{lists}</div></div>'
    )


def _side(name: str, found: Sequence[Near], both: set[str]) -> str:
    lines = "".join(
        f"<li><span>{f'<b>{escape(_cut(text))}</b>' if text in both else escape(_cut(text))}</span>"
        f"<small>{cosine:.3f}</small></li>"
        for text, cosine in found
    )
    return f'<div><p class="over">{name}</p><ol>{lines}</ol></div>'


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1].rstrip()}\u2026"
