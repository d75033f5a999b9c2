"""The page: the report's figures on top, below them one text and two answers."""

from collections.abc import Sequence
from html import escape

import gradio as gr

from app.cards import cards
from app.comparison import Difference, Timed, difference, timed
from app.evaluation import Row
from app.examples import Examples, choose
from app.report import Document, latency
from app.report import teacher as teacher_row
from app.stored_teacher import StoredTeacher
from serve.errors import InputError
from serve.predictor import Predictor
from serve.tasks import Answer

MAX_CHARACTERS = 5_000
_TOP = 5
_ONLY_STORED = (
    "The teacher's model is not loaded, so it answers only the stored test rows. "
    "Start the demo with <code>--teacher MODEL</code> to ask it about any text."
)

Outputs = tuple[dict[str, float] | None, str, dict[str, float] | None, str, str]


class Comparer:
    """What the page asks when somebody presses the button."""

    def __init__(
        self, student: Predictor, live_teacher: Predictor | None, report: Document, rows: Sequence[Row]
    ) -> None:
        self._student = student
        self._live_teacher = live_teacher
        self._stored_teacher = StoredTeacher(rows)
        self._report = report

    def compare(self, text: str) -> Outputs:
        """Both answers to a text: the teacher's and its timing, the student's and its, the outcome."""
        if not text or not text.strip():
            raise _mistake("Type a text first, or pick one of the examples.")
        if len(text) > MAX_CHARACTERS:
            raise _mistake(f"The text has {len(text):,} characters; this page takes {MAX_CHARACTERS:,}.")
        try:
            learnt = timed(self._student, text)
            taught, teacher_note = self._ask_teacher(text)
        except InputError as error:
            raise _mistake(f"Found {error.found}; expected {error.expected}.") from None
        found = difference(taught, learnt.answer) if taught else None
        return (
            dict(taught.probabilities) if taught else None,
            f'<div class="timing">{teacher_note}</div>',
            dict(learnt.answer.probabilities),
            f'<div class="timing">{_timing(learnt)}{_truncation(learnt.answer)}</div>',
            _outcome(found, taught, learnt.answer),
        )

    def _ask_teacher(self, text: str) -> tuple[Answer | None, str]:
        if self._live_teacher is not None:
            asked = timed(self._live_teacher, text)
            return asked.answer, _timing(asked) + _truncation(asked.answer)
        if not self._stored_teacher.knows(text):
            return None, _ONLY_STORED
        measured = latency(self._report, teacher_row(self._report))
        usual = f"; its p50 in the report is {measured['p50_ms']:.2f} ms" if measured else ""
        return self._stored_teacher.predict([text])[0], f"Stored answer, not timed now{usual}."


def build_page(
    student: Predictor,
    teacher: Predictor | None,
    report: Document,
    evaluation: Sequence[Row],
    *,
    title: str = "Teacher and student",
) -> gr.Blocks:
    """The page, ready for `app.launch.launch`.

    Without a `teacher` its stored answers to the `evaluation` rows are shown. The student answers some of
    these rows now, for a few seconds at most, to find the ones on which the two disagree.
    """
    comparer = Comparer(student, teacher, report, evaluation)
    examples = choose(evaluation, student)
    page = gr.Blocks(title=title, analytics_enabled=False)
    with page:
        gr.HTML(cards(report, title))
        text = gr.Textbox(
            label="Text", placeholder="Type a text, then press Compare", lines=2, max_lines=8,
            max_length=MAX_CHARACTERS, elem_id="text",
        )  # fmt: skip
        button = gr.Button("Compare", variant="primary", elem_id="compare")
        outcome = gr.HTML(_outcome(None, None, None), elem_id="outcome")
        with gr.Row(equal_height=True):
            with gr.Column(min_width=300):
                teacher_label = gr.Label(label="Teacher", num_top_classes=_TOP, elem_id="teacher")
                teacher_timing = gr.HTML('<div class="timing"></div>', elem_id="teacher_timing")
            with gr.Column(min_width=300):
                student_label = gr.Label(label="Student", num_top_classes=_TOP, elem_id="student")
                student_timing = gr.HTML('<div class="timing"></div>', elem_id="student_timing")
        _examples(examples, text)
        gr.on(
            [button.click, text.submit],
            comparer.compare,
            inputs=text,
            outputs=[teacher_label, teacher_timing, student_label, student_timing, outcome],
            api_name="compare",
            api_description="Both answers to one text, with their latency on this server.",
            # One at a time: two at once would slow each other down, and the times would be wrong.
            concurrency_limit=1,
            show_progress="minimal",
        )
    return page


def _examples(found: Examples, text: gr.Textbox) -> None:
    groups = [("disagree", found.disagreements), ("agree", found.agreements)]
    for word, texts in groups:
        if texts:
            gr.Examples(
                [[example] for example in texts],
                inputs=text,
                label=f"Test rows on which teacher and student {word}",
                cache_examples=False,
                preload=False,
                api_name=f"example_{word}",
                api_visibility="private",
            )
    if found.tried:
        gr.HTML(
            f'<div class="timing">The student answered {found.tried} stored rows when this page started and '
            f"agreed with the teacher on {found.agreed} of them.</div>"
        )


def _timing(asked: Timed) -> str:
    return f"<b>{asked.p50_ms:.2f} ms</b> on this server, median of {asked.runs}"


def _truncation(answer: Answer) -> str:
    if not answer.truncated:
        return ""
    return (
        f'<span class="warning">Only the first {answer.tokens} tokens were read; the text is longer.</span>'
    )


def _outcome(found: Difference | None, taught: Answer | None, learnt: Answer | None) -> str:
    if learnt is None:
        return '<div class="outcome">Both answers appear here, with how long each took on this server.</div>'
    if found is None or taught is None:
        said = f"The student says <b>{escape(learnt.label)}</b>, {learnt.score:.1%}."
        return f'<div class="outcome">{said} There is no answer of the teacher to compare it with.</div>'
    change = f"{100 * found.change:+.1f} points for <b>{escape(found.label)}</b>"
    if found.agree:
        return (
            f'<div class="outcome agree"><b>They agree</b> on <b>{escape(learnt.label)}</b>. '
            f"Largest change in probability, student against teacher: {change}.</div>"
        )
    return (
        f'<div class="outcome disagree"><b>They disagree</b>: '
        f"the teacher says <b>{escape(taught.label)}</b>, the student <b>{escape(learnt.label)}</b>. "
        f"Largest change in probability, student against teacher: {change}.</div>"
    )


def _mistake(message: str) -> gr.Error:
    return gr.Error(message, title="Not compared", print_exception=False)
