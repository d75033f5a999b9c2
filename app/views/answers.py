"""Both answers to one text, as HTML: who says what, how sure, how fast; and which words weigh what."""

from collections.abc import Sequence
from html import escape
from urllib.parse import urlencode

from app.attribution import Piece, weightiest
from app.comparer import Comparison, Weighed
from app.comparison import Timed
from app.forms import Form
from app.report import TIMES
from app.tasks import Aim, Task
from app.tasks.task import Who
from serve.inputs import characters, parts
from serve.tasks import Answer

_LONGEST_LINK = 1_000  # characters of what is asked; browsers and servers cut what is much longer

NO_TEACHER = (
    "The teacher's model is not loaded, so it answers only the stored test rows. "
    "Start the demo with <code>--teacher MODEL</code> to ask it about any text."
)


def outcome(found: Comparison | None, form: Form, task: Task) -> str:
    """Whether the two agree, in one sentence, with a link to this very case."""
    if found is None:
        return '<div class="outcome" role="status">Both answers appear here, with how long each took.</div>'
    learnt, taught, apart = found.student.answer, found.taught, found.apart
    link = _link(found, form)
    if taught is None or apart is None:
        said = f"The student {task.says(learnt)}{task.sure(learnt)}."
        none = "There is no answer of the teacher to compare it with."
        return f'<div class="outcome" role="status"><span>{said} {none}</span>{link}</div>'
    said, look = task.verdict(taught, learnt, apart), "agree" if apart.agree else "disagree"
    return f'<div class="outcome {look}" role="status"><span>{said}</span>{link}</div>'


def _link(found: Comparison, form: Form) -> str:
    """A link that shows this case again, on this page or another one with the same bundle."""
    if found.row is not None:
        query = urlencode({"row": found.row})
    elif characters(found.asked) <= _LONGEST_LINK:
        names = (field.name for field in form.fields)
        query = urlencode(dict(zip(names, parts(found.asked), strict=True)))
    else:
        return ""
    return (
        f'<span class="case"><a href="?{escape(query)}">Link to this case</a>'
        f'<button type="button" class="plain" data-copy="?{escape(query)}">Copy</button></span>'
    )


def answers(found: Comparison, task: Task, usual_ms: float | None, *, over_http: bool = False) -> str:
    """Both answers side by side.

    `usual_ms` is the teacher's latency in the report, told where it is not asked; `over_http` says that the student
    is an endpoint.
    """
    slowest = max(timed.p50_ms for timed in (found.student, found.teacher) if timed)

    def side(who: Who, answer: Answer, other: Answer | None, timing: str) -> str:
        return _side(who, task.body(found.asked, answer, other, who), timing, answer)

    learnt, taught = found.student.answer, found.taught
    way = ", over HTTP" if over_http else ""
    student = side("student", learnt, taught, _timing(found.student, slowest, way))
    if found.teacher:
        faster = found.teacher.p50_ms / found.student.p50_ms
        teacher = side("teacher", found.teacher.answer, learnt, _timing(found.teacher, slowest))
        note = f"On this text, here and now, the student is {faster:.1f}{TIMES} as fast."
    elif found.stored:
        usual = f" Its p50 in the report is {usual_ms:.2f} ms." if usual_ms else ""
        stored = f'<p class="note">Stored answer, not timed now.{usual}</p>'
        teacher = side("teacher", found.stored, learnt, stored)
        note = ""
    else:
        teacher = f'<section class="side empty"><p class="over">Teacher</p><p>{NO_TEACHER}</p></section>'
        note = ""
    return (
        f'<div class="sides{" stacked" * task.is_stacked}">{teacher}{student}</div><p class="note">{note}</p>'
    )


def _side(who: Who, body: str, timing: str, answer: Answer) -> str:
    return f'<section class="side {who}"><p class="over">{who.capitalize()}</p>{body}{timing}{_read(answer)}</section>'


def _timing(timed: Timed, slowest: float, way: str = "") -> str:
    return (
        f'<p class="timing"><b>{timed.p50_ms:.2f} ms</b> on this server{way}, median of {timed.runs}'
        f'<span class="bar time"><i style="width:{100 * timed.p50_ms / slowest:.2f}%"></i></span></p>'
    )


def _read(answer: Answer) -> str:
    if answer.truncated:
        return f'<p class="warning">Only the first {answer.tokens} tokens were read; the text is longer.</p>'
    return f'<p class="note">{answer.tokens} tokens read, the whole text.</p>' if answer.tokens else ""


def words(found: Weighed | None, form: Form, *, teacher_is_live: bool) -> str:
    """Which words speak for the student's answer in each model, one above the other."""
    if found is None:
        return ""
    aim = found.aim
    if isinstance(aim, str):
        return f'<div class="attribution"><h2>Which words matter</h2><p class="note">{escape(aim)}</p></div>'
    head = (
        f"<h2>What speaks for <b>{escape(aim.label)}</b></h2>"
        f'<p class="note">Each word is left out in turn: <mark class="for">the stronger</mark>, the more of '
        f'{escape(aim.of)} goes with it; <mark class="against">underlined</mark>, it speaks against it.</p>'
    )
    teacher = _words("Teacher", found.teacher, form, aim) if found.teacher is not None else ""
    if not teacher_is_live:
        teacher = (
            '<div class="weights"><p class="over">Teacher</p><p class="note">Its model is not loaded: '
            "start with <code>--teacher MODEL</code>.</p></div>"
        )
    return f'<div class="attribution">{head}{teacher}{_words("Student", found.student, form, aim)}</div>'


def _words(name: str, found: Sequence[Piece], form: Form, aim: Aim) -> str:
    largest = max((abs(piece.weight) for piece in found), default=0.0)
    lines = ""
    for place, field in enumerate(form.fields):
        marks = " ".join(_mark(piece, largest, aim) for piece in found if piece.place == place)
        called = f'<span class="which">{escape(field.label)}</span>' if form.takes_pairs else ""
        lines += f'<p class="words">{called}{marks}</p>'
    most = ", ".join(
        f"\u201c{escape(piece.text)}\u201d {aim.told(piece.weight)}"
        for piece in weightiest(found)
        if abs(piece.weight) >= aim.least
    )
    unit = f", in {aim.unit}" if aim.unit else ""
    told = f"Most{unit}: {most}" if most else "No single word matters here."
    return f'<div class="weights"><p class="over">{name}</p>{lines}<p class="note">{told}</p></div>'


def _mark(piece: Piece, largest: float, aim: Aim) -> str:
    share = abs(piece.weight) / largest if largest else 0.0
    text, told = escape(piece.text), f"{aim.told(piece.weight)} {aim.unit}".rstrip()
    if share < 0.05 or abs(piece.weight) < aim.least:
        return f'<span title="{told}">{text}</span>'
    sign = "for" if piece.weight > 0 else "against"
    return f'<mark class="{sign}" style="--much:{55 * share:.0f}%" title="{told}">{text}</mark>'
