"""One stage of distillation: a student, its teacher's logits, a method."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext

import numpy as np
from numpy.typing import NDArray
from transformers import set_seed

from compress.data.rows import Splits
from compress.distill import Distill
from compress.distill.teaching import refuse_other_tokens
from compress.models.teacher import tuned
from compress.models.trained import Trained, save_trained
from compress.training.encoded import EncodedRows
from compress.training.loop import Session, remove_checkpoints, train


def distil(
    student: Trained,
    teachers: Sequence[Trained],
    splits: Splits,
    train_logits: NDArray[np.float32] | None,
    selection_logits: NDArray[np.float32],
    method: Distill,
    session: Session,
    inside: AbstractContextManager[object] | None = None,
) -> Mapping[str, object]:
    """Train the student and save it in the session's folder; returns its score on the selection rows.

    Without labels the checkpoint is selected by agreement with the teacher. Seeds the global generators, so
    that a stage does not depend on what was done before it. What changes the student while it learns, and no
    longer, is `inside`.
    """
    set_seed(session.seed)
    selection = splits.validation
    if not splits.is_labelled:
        found = student.task.labels_from_teacher(selection, selection_logits, teachers[0])
        selection = selection.with_labels(found)
    rows = EncodedRows(student, splits.train, train_logits, teacher=teachers[0])
    if method.looks_inside and not rows.aligned:
        refuse_other_tokens(method.method)
    with inside or nullcontext():
        lesson = method.lesson(student, teachers, session.compute.device)
        best = train(lesson, rows, EncodedRows(student, selection), method, session)
    answering = student.answering
    if student.task.is_tuned:
        answering = tuned(student, selection, session)
    save_trained(
        student.model, student.tokenizer, student.labels, student.max_length, session.folder, answering
    )
    remove_checkpoints(session.folder)
    return {"selection_score": best}
