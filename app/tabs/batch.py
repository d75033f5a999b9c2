"""A csv file with both answers."""

import tempfile
from pathlib import Path
from typing import Any

import gradio as gr

from app.batch import MOST_BYTES, MOST_ROWS, Columns, Counted, Shown, answer_file
from app.forms import Form
from app.subject import Subject
from app.telling import told
from app.views.batch import batch as batch_view
from serve.csv_file import PAIR_COLUMNS, TEXT_COLUMNS
from serve.errors import InputError

_PROGRESS = gr.Progress()  # Gradio puts the bar of whoever asked in its place
_TOLD = "Both answers to every row of a csv file: the file with the answers, and what was counted."


class BatchTab:
    """A file to give, a file to take."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        gr.Markdown(
            f"A csv file in UTF-8 with a header, at most {MOST_ROWS:,} rows and {MOST_BYTES / 1e6:.0f} MB. It comes "
            f"back with the columns {', '.join(f'`{name}`' for name in subject.task.columns)}."
        )
        with gr.Row():
            file = gr.File(
                label="File of texts", file_types=[".csv"], type="filepath", height=150, elem_id="file"
            )
            with gr.Column():
                columns = [
                    gr.Textbox(label=label, placeholder=f"left empty: {hint}", max_length=200)
                    for label, hint in _boxes(subject.form)
                ]
                button = gr.Button("Answer the file", variant="primary", elem_id="answer")
        told_ = gr.HTML("", elem_id="batch")
        target = gr.DownloadButton("Download the answers", visible=False, elem_id="download")
        found = gr.JSON(visible=False)
        gr.on(
            [button.click],
            told(self.batch_of_pairs if subject.form.takes_pairs else self.batch),
            inputs=[file, *columns],
            outputs=[target, found],
            api_name="batch",
            api_description=_TOLD,
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
        return self._answer(file, Columns(column.strip() or None), progress)

    def batch_of_pairs(
        self, file: str | None, column: str = "", pair_column: str = "", progress: gr.Progress = _PROGRESS
    ) -> tuple[str, dict[str, Any]]:
        """The same for a file of pairs, whose texts are in two columns."""
        columns = Columns(column.strip() or None, pair_column.strip() or None, pairs=True)
        return self._answer(file, columns, progress)

    def _answer(
        self, file: str | None, columns: Columns, progress: gr.Progress
    ) -> tuple[str, dict[str, Any]]:
        if not file:
            raise InputError("no file", "a csv file", "choose one first")
        source = Path(file)
        target = Path(tempfile.mkdtemp(dir=source.parent)) / f"{source.stem[:60]}-answers.csv"
        done = answer_file(
            self._subject.comparer,
            source,
            target,
            columns,
            progress=lambda rows, total: progress((rows, total), unit="rows"),
        )
        head = [[list(one.texts), one.teacher, one.student, one.apart] for one in done.head]
        counted = {"rows": done.rows, "compared": done.compared, "agreed": done.agreed}
        return str(target), {**counted, "head": head}

    def _tell(self, found: dict[str, Any]) -> tuple[str, Any]:
        head = [
            Shown(texts, str(teacher), str(student), bool(apart))
            for texts, teacher, student, apart in found["head"]
        ]
        counted = Counted(int(found["rows"]), int(found["compared"]), int(found["agreed"]), head)
        heads = [field.label for field in self._subject.form.fields]
        return batch_view(counted, heads), gr.DownloadButton(visible=True)


def _boxes(form: Form) -> list[tuple[str, str]]:
    """What the boxes for the names of columns are called, and what is looked for where they are left empty."""
    if not form.takes_pairs:
        return [("Column of the texts", _either(TEXT_COLUMNS))]
    return [
        (f"Column of: {field.label}", _either([names[place] for names in PAIR_COLUMNS]))
        for place, field in enumerate(form.fields)
    ]


def _either(names: tuple[str, ...] | list[str]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}"
