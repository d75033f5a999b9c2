"""The test rows with both answers, to look through."""

from collections.abc import Callable, Sequence
from math import inf
from typing import Any

import gradio as gr

from app.scripts import ROW_LINKS
from app.selection import Selection, counts, select
from app.subject import Subject
from app.views.reliability import reliability
from app.views.rows import NAMES, against_report, listed, progress

_A_PAGE = 50  # rows
_ANY = ""
_MANY = 12  # labels, over which one types to find them


class DisagreementsTab:
    """Counts, plots, filters and the rows."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._progress = gr.HTML(progress(subject.rows), elem_id="progress")
        with gr.Row(equal_height=True, elem_id="plots"):
            with gr.Column(min_width=320, visible=bool(subject.rows.rows)):
                self._overview = gr.HTML("", elem_id="overview")
            calibrated = reliability(subject.report)
            with gr.Column(min_width=320, visible=bool(calibrated)):
                gr.HTML(calibrated, elem_id="reliability")
        with gr.Column(visible=bool(subject.rows.rows)):
            self._kind = gr.Radio(
                [(NAMES[kind], kind) for kind in subject.task.kinds],
                value="differ",
                label="Which rows",
                elem_id="kind",
            )
            narrowed = self._narrowed_by()
        self.list = gr.HTML("", js_on_load=ROW_LINKS, elem_id="rows")
        self._shown = gr.State(_A_PAGE)
        self._more = gr.Button("Show more", visible=False, elem_id="more")
        self._asked = [self._kind, *narrowed, self._shown]
        quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
        filters = [self._kind.change, *(one.change for one in narrowed)]
        gr.on(
            filters, self._anew, inputs=self._asked, outputs=[self._shown, self.list, self._more],
            trigger_mode="always_last", **quiet,
        )  # fmt: skip
        self._more.click(
            self._some_more, inputs=self._asked, outputs=[self._shown, self.list, self._more], **quiet
        )

    def _narrowed_by(self) -> list[Any]:
        """What `Selection` has beside the kind, in its order."""
        task, sliders = self._subject.task, self._subject.task.sliders
        classes = [("Any", _ANY), *((label, label) for label in task.classes)]
        orders = [(words, order) for order, words in task.orders.items()]
        with gr.Row():
            label = gr.Dropdown(
                classes, value=_ANY, label=task.classes_are, filterable=len(classes) > _MANY, min_width=150,
                visible=len(classes) > 1,
            )  # fmt: skip
            order = gr.Dropdown(orders, value="change", label="Order", filterable=False, min_width=200)
            search = gr.Textbox(label="Search", placeholder="part of a text", max_length=100, min_width=150)
        with gr.Row():
            end, step = sliders.end, sliders.step
            least = gr.Slider(0, end, 0, step=step, label=sliders.least, min_width=250)
            most = gr.Slider(0, end, end, step=step, label=sliders.most, min_width=250)
        return [label, least, most, search, order]

    @property
    def looked_at(self) -> list[gr.components.Component]:
        """What `look` is given."""
        return self._asked

    @property
    def looks(self) -> list[gr.components.Component]:
        """What `look` renews."""
        return [self._progress, self._overview, self._kind, self.list, self._more]

    def look(self, *asked: Any) -> tuple[Any, ...]:
        """How far the student has come: progress, overview, counts, rows, and whether there are more."""
        rows = self._subject.rows
        done = rows.done
        numbers = counts(done)
        task = self._subject.task
        kinds = gr.Radio(choices=[(f"{NAMES[kind]} ({numbers[kind]:,})", kind) for kind in task.kinds])
        seen = task.overview(done) if rows.rows else ""
        told = progress(rows) or against_report(self._subject.report, done, task)
        return (told, seen, kinds, *self._list(asked, asked[-1]))

    def _list(self, asked: Sequence[Any], shown: int) -> tuple[str, Any]:
        kind, label, least, most, search, order, _ = asked
        task, sliders = self._subject.task, self._subject.task.sliders
        upto = most / sliders.one if most < sliders.end else inf  # at its end it leaves nothing out
        wanted = Selection(kind, label, least / sliders.one, upto, search or "", order)
        found = select(self._subject.rows.done, wanted, task)
        text = listed(found, shown, task) if self._subject.rows.rows else ""
        return text, gr.Button(visible=len(found) > shown)

    def _anew(self, *asked: Any) -> tuple[Any, ...]:
        return (_A_PAGE, *self._list(asked, _A_PAGE))

    def _some_more(self, *asked: Any) -> tuple[Any, ...]:
        shown = asked[-1] + _A_PAGE
        return (shown, *self._list(asked, shown))

    def carried_to(
        self, values_of: Callable[[object], list[str]], tabs: gr.Tabs, tab: str, boxes: list[Any]
    ) -> Any:
        """A row that is picked goes into `boxes`, and `tab` comes to the front; returns the event."""

        def carry(picked: gr.EventData) -> list[Any]:
            return [gr.Tabs(selected=tab), *values_of(picked.row)]

        return self.list.select(
            carry, outputs=[tabs, *boxes], api_visibility="private", show_progress="hidden"
        )
