"""What travels in the bundle besides the model: the report, the test rows, the model card."""

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from compress.card import model_card
from compress.data.rows import Rows
from compress.judge.report import Report
from compress.models.trained import Trained
from compress.page.page import report_page
from compress.tasks import SINGLE_LABEL, Task
from export.model import OnnxModel
from export.pack import pack
from serve.bundle import EVALUATION, REPORT, REPORT_PAGE, Batches, VerifiedOn
from serve.inputs import parts


def make_bundle(
    target: Path,
    *,
    name: str,
    trained: Trained,
    float_model: OnnxModel,
    quantized: OnnxModel | None,
    report: Report,
    batches: Batches | None = None,
    text_pair: bool = False,
    rows: Rows | None,
    teacher_answers: NDArray[np.float64],
) -> None:
    """Pack the bundle; without `rows` the test rows stay out of it."""
    documents = {
        REPORT: report.model_dump_json(indent=2) + "\n",
        REPORT_PAGE: report_page(name, report),
        "README.md": model_card(name, report, pairs=text_pair),
    }
    if rows is not None:
        documents[EVALUATION] = evaluation_lines(rows, teacher_answers, trained.labels, trained.task)
    pack(
        target,
        name=name,
        task=report.task,
        labels=trained.labels,
        max_length=trained.max_length,
        model_folder=trained.folder,
        float_model=float_model,
        quantized_model=quantized,
        documents=documents,
        verdict=report.verdict,
        batches=batches,
        text_pair=text_pair,
        answering=trained.answering,
        verified_on=VerifiedOn(
            processor=report.machine.processor,
            instruction_set=report.machine.instruction_set,
            execution_provider="CPUExecutionProvider",
            onnxruntime=report.versions["onnxruntime"],
        ),
    )


def evaluation_lines(
    rows: Rows, teacher_answers: NDArray[np.float64], labels: tuple[str, ...], task: Task = SINGLE_LABEL
) -> str:
    """The test rows as JSON lines, each with the teacher's answer as the task tells it; answers are (rows, ...)."""
    lines = []
    for index, (asked, answer) in enumerate(zip(rows.texts, teacher_answers, strict=True)):
        label = None if rows.labels is None else task.tell_label(rows.labels[index], labels)
        teacher = task.tell_answer(answer, labels)
        texts = dict(zip(("text", "text_pair"), parts(asked), strict=False))
        lines.append(
            json.dumps({"id": index, **texts, "label": label, "teacher": teacher}, ensure_ascii=False)
        )
    return "\n".join(lines) + "\n"
