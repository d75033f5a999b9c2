"""Test rows with both answers, as HTML: each is a link that carries its id to the comparison."""

from collections.abc import Mapping, Sequence
from html import escape

from app.answered import AnsweredRows
from app.report import Document
from app.rows import Both, Kind
from app.tasks import Task, default_task

NAMES: Mapping[Kind, str] = {
    "all": "All rows",
    "differ": "They differ",
    "student_wrong": "Student only wrong",
    "teacher_wrong": "Teacher only wrong",
    "both_wrong": "Both wrong",
}


def listed(rows: Sequence[Both], shown: int, task: Task | None = None) -> str:
    """The first `shown` of the rows, a line each, and how many there are."""
    if not rows:
        return '<p class="nothing">No test row is like that. Widen the filters.</p>'
    lines = "".join(_line(one, task or default_task()) for one in rows[:shown])
    count = f"{len(rows):,} row{'s' if len(rows) != 1 else ''}"
    some = f", the first {shown:,} are shown" if len(rows) > shown else ""
    return f'<p class="note">{count}{some}. Pick one to see it in Compare.</p><ol class="rows">{lines}</ol>'


def _line(one: Both, task: Task) -> str:
    row, change = one.row, task.changed(one.apart)
    last = f'<span class="note">{change}</span>' if change else ""
    return (
        f'<li><a href="?row={row.id}" data-row="{row.id}"><span class="id">{row.id}</span>'
        f"{_texts(one, task)}"
        f'<span class="chips">{"".join(task.chips(one))}{last}</span></a></li>'
    )


def _texts(one: Both, task: Task) -> str:
    """The text; of a pair both, one below the other."""
    shown = "".join(f"<span>{text}</span>" for text in task.texts(one))
    return f'<span class="text">{shown}</span>'


def examples(task: Task, apart: Sequence[Both], together: Sequence[Both]) -> str:
    """A few rows to try, as links."""
    groups = [("On these test rows they disagree", apart), ("On these they agree", together)]
    found = [
        f'<p class="over">{title}</p><ul>'
        + "".join(
            f'<li><a href="?row={one.row.id}" data-row="{one.row.id}">{_texts(one, task)}</a></li>'
            for one in rows
        )
        + "</ul>"
        for title, rows in groups
        if rows
    ]
    return f'<div class="examples">{"".join(found)}</div>' if found else ""


def progress(rows: AnsweredRows) -> str:
    """How far the student has come with the test rows; empty when it is done."""
    if not rows.rows:
        return '<p class="nothing">This bundle carries no test rows, so there is nothing to look through.</p>'
    if rows.failure is not None:
        return f'<p class="warning">The student could not answer the test rows. {escape(rows.failure)}</p>'
    if rows.is_complete:
        return ""
    done, total = len(rows.done), len(rows.rows)
    return (
        f'<p class="note" role="status">The student has answered {done:,} of {total:,} test rows.'
        f'<progress value="{done}" max="{total}"></progress></p>'
    )


def against_report(report: Document, answered: Sequence[Both], task: Task | None = None) -> str:
    """Whether the student answers the test rows here as it did where the report was made, as HTML."""
    agreement, rows = (report.get("fidelity") or {}).get("agreement"), len(answered)
    agreed = sum(one.apart.agree for one in answered)
    if agreement is None or not rows:
        return ""
    counted = f"{(task or default_task()).same} on {agreed:,} of {rows:,} test rows"
    if rows == report["fidelity"].get("rows") and agreed == round(agreement * rows):
        return f'<p class="note">{counted}, as in the report.</p>'
    told = f"the report says {agreement:.1%} of {report['fidelity'].get('rows', 0):,}"
    return (
        f'<p class="warning">{counted} ({agreed / rows:.1%}); {told}. Integer kernels differ between processors: '
        "<code>compress verify</code> gives the verdict for this machine.</p>"
    )
