"""The page: the report's figures on top, and a tab for each way to look closer."""

from typing import Any

import gradio as gr

from app.endpoints import Endpoints
from app.selection import examples
from app.subject import Subject
from app.tabs import compare
from app.tabs.batch import BatchTab
from app.tabs.compare import CompareTab
from app.tabs.disagreements import DisagreementsTab
from app.tabs.live import LiveTab
from app.views.cards import head
from app.views.rows import examples as examples_view
from app.views.table import figures

_TICK_SECONDS = 0.5  # while the student answers the test rows
_KEPT_SECONDS = (600, 3600)  # files that people gave: looked for how often, and kept for how long


def build_page(subject: Subject) -> gr.Blocks:
    """The page, ready for `app.launch.launch`; the student answers the test rows once somebody opens it."""
    page = gr.Blocks(title=subject.title, analytics_enabled=False, delete_cache=_KEPT_SECONDS)
    with page:
        gr.HTML(head(subject.report, subject.title, subject.task.agreement_means))
        with gr.Tabs() as tabs:
            with gr.Tab("Compare", id=compare.TAB):
                comparing = CompareTab(subject)
            with gr.Tab("Disagreements", id="disagreements"):
                disagreeing = DisagreementsTab(subject)
            with gr.Tab("Batch", id="batch"):
                BatchTab(subject)
            if subject.watched is not None:
                with gr.Tab("Live", id="live"):
                    LiveTab(subject.watched)
            with gr.Tab("Figures", id="figures"):
                gr.HTML(figures(subject.report))
        carried = disagreeing.carried_to(comparing.values_of, tabs, compare.TAB, comparing.boxes)
        comparing.compared_after(carried)
        _look_while_answering(page, subject, comparing, disagreeing)
        page.load(
            comparing.open_at,
            outputs=[comparing.asked_for, *comparing.boxes],
            api_visibility="private",
            show_progress="hidden",
        )
        Endpoints(subject).register()
    return page


def _look_while_answering(
    page: gr.Blocks, subject: Subject, comparing: CompareTab, disagreeing: DisagreementsTab
) -> None:
    """Renew what the test rows give, twice a second, until all of them are answered."""

    def look(*asked: Any) -> tuple[Any, ...]:
        subject.rows.begin()
        is_complete = subject.rows.is_complete  # before the look, so that the last one sees everything
        to_try = examples_view(subject.task, *examples(subject.rows.done))
        return (gr.Timer(active=not is_complete), to_try, *disagreeing.look(*asked))

    timer = gr.Timer(_TICK_SECONDS)
    gr.on(
        [page.load, timer.tick],
        look,
        inputs=disagreeing.looked_at,
        outputs=[timer, comparing.examples, *disagreeing.looks],
        api_visibility="private",
        show_progress="hidden",
    )
