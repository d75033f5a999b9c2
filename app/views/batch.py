"""What became of a csv file, as HTML."""

from collections.abc import Sequence
from html import escape

from app.batch import Counted, Shown

_LONGEST = 200  # characters of a text


def batch(found: Counted, texts: Sequence[str]) -> str:
    """How often the two agree on the file, and its first lines; `texts` are the heads of the columns of texts."""
    rows, compared, agreed = found.rows, found.compared, found.agreed
    said = f"<b>{rows:,} row{'s' if rows != 1 else ''} answered.</b> "
    if compared:
        said += f"Teacher and student agree on {agreed:,} of {compared:,} ({agreed / compared:.1%})."
    if compared < rows:
        said += (
            " Where the teacher's columns are empty it has no stored answer: "
            "start the demo with <code>--teacher MODEL</code>."
        )
    lines = "".join(map(_line, found.head))
    heads = "".join(f'<th scope="col">{escape(name)}</th>' for name in (*texts, "Teacher", "Student"))
    table = f"<table><thead><tr>{heads}</tr></thead><tbody>{lines}</tbody></table>" if lines else ""
    some = f'<p class="note">Its first {len(found.head)} rows:</p>' if 0 < len(found.head) < rows else ""
    return (
        f'<div class="proof"><div class="outcome" role="status"><span>{said}</span></div>{some}{table}</div>'
    )


def _line(one: Shown) -> str:
    state = "apart" if one.apart else ""
    cells = (*(_cut(text) for text in one.texts), one.teacher or "\u2013", one.student)
    return f'<tr class="{state}">{"".join(f"<td>{escape(cell)}</td>" for cell in cells)}</tr>'


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1].rstrip()}\u2026"
