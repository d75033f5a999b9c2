"""One text, or one pair of texts, and both answers."""

from collections.abc import Callable
from functools import partial
from typing import Any

import gradio as gr

from app.forms import MAX_CHARACTERS
from app.report import latency
from app.report import teacher as teacher_row
from app.scripts import COPY_LINK, ROW_LINKS
from app.subject import Subject
from app.telling import told
from app.views.answers import answers, outcome, words

TAB = "compare"


class CompareTab:
    """The boxes, the button, and what appears below them."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self.boxes = [
            gr.Textbox(
                label=field.label, placeholder=field.placeholder, lines=2, max_lines=8,
                max_length=MAX_CHARACTERS, elem_id=field.name,
            )
            for field in subject.form.fields
        ]  # fmt: skip
        button = gr.Button("Compare", variant="primary", elem_id="compare")
        outcome_ = gr.HTML(outcome(None, subject.form, subject.task), js_on_load=COPY_LINK, elem_id="outcome")
        answers_ = gr.HTML("", elem_id="answers")
        words_ = gr.HTML("", elem_id="words")
        self.examples = gr.HTML("", js_on_load=ROW_LINKS, elem_id="examples")
        self._outputs = [outcome_, answers_, words_]
        self._compared_by(partial(gr.on, [button.click, *(box.submit for box in self.boxes)]))
        picked = self.examples.select(
            self._picked, outputs=self.boxes, api_visibility="private", show_progress="hidden"
        )
        self.compared_after(picked)
        # The page's address is looked at once it is open; where it asks for nothing, what is typed by then stays.
        self.asked_for = gr.State(0)
        self._compared_by(self.asked_for.change)

    def values_of(self, number: object) -> list[str]:
        """What the test row of this id puts into the boxes; nothing for an id that there is not."""
        row = self._subject.rows.row(number)
        return self._subject.form.values(row.asked if row else None)

    def _picked(self, picked: gr.EventData) -> dict[gr.Textbox, str]:
        return dict(zip(self.boxes, self.values_of(picked.row), strict=True))

    def compared_after(self, event: gr.events.Dependency) -> None:
        """Compare what `event` puts into the boxes."""
        self._compared_by(event.success)

    def _compared_by(self, when: Callable[..., gr.events.Dependency]) -> None:
        asked = when(
            told(self._compare),
            inputs=self.boxes,
            outputs=self._outputs,
            api_visibility="private",
            show_progress="minimal",
        )
        # On its own, for it takes as many predictions as there are words: the answers do not wait for it.
        asked.success(
            told(self._weigh),
            inputs=self.boxes,
            outputs=self._outputs[-1],
            api_visibility="private",
            show_progress="minimal",
        )

    def open_at(self, request: gr.Request) -> Any:
        """What the page's address asks for: `?row=` a test row's id, or what stands in the boxes, by their names."""
        query = request.query_params
        number = query.get("row", "")
        if number.isdecimal():
            values = self.values_of(int(number))
        else:
            values = [query.get(field.name, "") for field in self._subject.form.fields]
        return (1, *values) if any(values) else gr.skip()

    def _compare(self, *values: str) -> tuple[str, str, str]:
        about = self._subject
        found = about.comparer.compare(about.form.asked(values))
        measured = latency(about.report, teacher_row(about.report))
        usual_ms = measured["p50_ms"] if measured else None
        sides = answers(found, about.task, usual_ms, over_http=about.watched is not None)
        near = about.task.beside(found.asked, found.taught, found.student.answer, about.rows.done)
        return outcome(found, about.form, about.task), sides + near, ""

    def _weigh(self, *values: str) -> str:
        about = self._subject
        found = about.comparer.weigh(about.form.asked(values))
        return words(found, about.form, teacher_is_live=about.comparer.is_live)
