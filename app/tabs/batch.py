"""A csv file with both answers."""

import tempfile
from pathlib import Path
from typing import Any

import gradio as gr

from app.batch import ADDED_COLUMNS, MOST_BYTES, MOST_ROWS, Shown, answer_file
from app.subject import Subject
from app.telling import told
from app.views.batch import batch as batch_view
from serve.errors import InputError

_EXPLAINED = (
    f"A csv file in UTF-8 with a header, at most {MOST_ROWS:,} rows and {MOST_BYTES / 1e6:.0f} MB. It comes back with "
    f"the columns {', '.join(f'`{name}`' for name in ADDED_COLUMNS)}."
)
_PROGRESS = gr.Progress()  # Gradio puts the bar of whoever asked in its place


class BatchTab:
    """A file to give, a file to take."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        gr.Markdown(_EXPLAINED)
        with gr.Row():
            file = gr.File(
                label="File of texts", file_types=[".csv"], type="filepath", height=150, elem_id="file"
            )
            with gr.Column():
                column = gr.Textbox(
                    label="Column of the texts", placeholder="left empty: text or sentence", max_length=200
                )
                button = gr.Button("Answer the file", variant="primary", elem_id="answer")
        told_ = gr.HTML("", elem_id="batch")
        target = gr.DownloadButton("Download the answers", visible=False, elem_id="download")
        found = gr.JSON(visible=False)
        gr.on(
            [button.click],
            told(self.batch),
            inputs=[file, column],
            outputs=[target, found],
            api_name="batch",
            api_description="Both answers to every row of a csv file: the file with the answers, and what was counted.",
            show_progress="full",
            show_progress_on=told_,
        ).success(
            self._tell,
            inputs=found,
            outputs=[told_, target],
            api_visibility="private",
            show_progress="hidden",
        )
        file.change(
            lambda: ("", gr.DownloadButton(visible=False)),
            outputs=[told_, target],
            api_visibility="private",
            show_progress="hidden",
        )

    def batch(
        self, file: str | None, column: str = "", progress: gr.Progress = _PROGRESS
    ) -> tuple[str, dict[str, Any]]:
        """The file with both answers, and how many rows it has; raises `UserError`."""
        if not file:
            raise InputError("no file", "a csv file", "choose one first")
        source = Path(file)
        folder = Path(tempfile.mkdtemp(dir=source.parent))
        done = answer_file(
            self._subject.comparer,
            source,
            folder / f"{source.stem[:60]}-answers.csv",
            column=column.strip() or None,
            progress=lambda rows, total: progress((rows, total), unit="rows"),
        )
        counted = {"rows": done.rows, "compared": done.compared, "agreed": done.agreed}
        head = [[one.text, one.teacher, one.student] for one in done.head]
        return str(done.target), {**counted, "head": head}

    def _tell(self, found: dict[str, Any]) -> tuple[str, Any]:
        head = [Shown(*map(str, line)) for line in found["head"]]
        told = batch_view(int(found["rows"]), int(found["compared"]), int(found["agreed"]), head)
        return told, gr.DownloadButton(visible=True)
