"""Teacher's label against student's over the test rows, as HTML."""

from collections import Counter
from collections.abc import Sequence
from html import escape

from app.rows import Both

_FEW = 3  # labels, whose cells may be large
_MOST_LISTED = 8  # pairs of labels
_MOST_LABELS = 12  # over it a matrix cannot be read, and the most frequent pairs are listed


def matrix(rows: Sequence[Both], labels: Sequence[str]) -> dict[tuple[str, str], int]:
    """How many rows each pair of labels has, the teacher's and then the student's; none is left out."""
    counted = Counter((one.row.teacher.label, one.student.label) for one in rows)
    return {(taught, learnt): counted[taught, learnt] for taught in labels for learnt in labels}


def confusion(rows: Sequence[Both], labels: Sequence[str]) -> str:
    """The matrix, or with many labels the pairs on which the two differ most often."""
    found = matrix(rows, labels)
    shown = _table(found, labels) if len(labels) <= _MOST_LABELS else _list(found)
    return f'<div class="plot"><h2>Who says what</h2>{shown}</div>'


def _table(found: dict[tuple[str, str], int], labels: Sequence[str]) -> str:
    largest = {same: max((count for (one, two), count in found.items() if (one == two) is same), default=0)
               for same in (True, False)}  # fmt: skip

    def cell(taught: str, learnt: str) -> str:
        count, same = found[taught, learnt], taught == learnt
        # Each kind has its own scale: next to the rows on which they agree, all others would look empty.
        much = 45 * count / largest[same] if largest[same] else 0
        kind = "same" if same else "apart"
        return f'<td class="{kind}" style="--much:{much:.0f}%">{count:,}</td>'

    heads = "".join(f'<th scope="col"><span>{escape(label)}</span></th>' for label in labels)
    lines = "".join(
        f'<tr><th scope="row">{escape(taught)}</th>{"".join(cell(taught, learnt) for learnt in labels)}</tr>'
        for taught in labels
    )
    many = " many" if len(labels) > _FEW else ""
    return (
        '<p class="note">Rows: the teacher. Columns: the student. Number of test rows.</p>'
        f'<div class="wide"><table class="confusion{many}"><thead><tr><td></td>{heads}</tr></thead>'
        f"<tbody>{lines}</tbody></table></div>"
        '<p class="note">Green: the same label. Orange: they differ. Each colour has its own scale.</p>'
    )


def _list(found: dict[tuple[str, str], int]) -> str:
    """The pairs of labels that are apart most often; with the rows of one mind and of the others, all there are."""
    apart = sorted(
        ((count, pair) for pair, count in found.items() if count and pair[0] != pair[1]),
        key=lambda one: (-one[0], one[1]),
    )
    agreed = sum(count for (taught, learnt), count in found.items() if taught == learnt)
    shown, others = apart[:_MOST_LISTED], sum(count for count, _ in apart[_MOST_LISTED:])
    lines = "".join(
        f'<tr><td>{escape(taught)}</td><td>{escape(learnt)}</td><td class="rows-of">{count:,}</td></tr>'
        for count, (taught, learnt) in shown
    )
    if others:
        more = len(apart) - len(shown)
        lines += f'<tr><td colspan="2">{more:,} other pairs</td><td class="rows-of">{others:,}</td></tr>'
    heads = "".join(f'<th scope="col">{head}</th>' for head in ("Teacher", "Student", "Rows"))
    table = (
        f'<table class="exchanged"><thead><tr>{heads}</tr></thead><tbody>{lines}</tbody></table>'
        if lines
        else ""
    )
    return (
        f'<p class="note">The same label on {agreed:,} test rows. Of too many labels for a matrix, '
        f"the pairs on which the two are apart most often:</p>{table}"
    )
