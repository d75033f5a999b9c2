"""What became of a csv file, as HTML."""

from collections.abc import Sequence
from html import escape

from app.batch import Shown


def batch(rows: int, compared: int, agreed: int, head: Sequence[Shown]) -> str:
    """How often the two agree on the file, and its first lines."""
    said = f"<b>{rows:,} row{'s' if rows != 1 else ''} answered.</b> "
    if compared:
        said += f"Teacher and student agree on {agreed:,} of {compared:,} ({agreed / compared:.1%})."
    if compared < rows:
        said += (
            " Where the teacher's columns are empty it has no stored answer: "
            "start the demo with <code>--teacher MODEL</code>."
        )
    lines = "".join(map(_line, head))
    heads = "".join(f'<th scope="col">{name}</th>' for name in ("Text", "Teacher", "Student"))
    table = f"<table><thead><tr>{heads}</tr></thead><tbody>{lines}</tbody></table>" if lines else ""
    return f'<div class="proof"><div class="outcome" role="status"><span>{said}</span></div>{table}</div>'


def _line(one: Shown) -> str:
    state = "apart" if one.teacher and one.teacher != one.student else ""
    cells = (one.text[:200], one.teacher or "\u2013", one.student)
    return f'<tr class="{state}">{"".join(f"<td>{escape(cell)}</td>" for cell in cells)}</tr>'
