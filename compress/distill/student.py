"""One stage of distillation: a student, its teacher's logits, a method."""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray

from compress.data.rows import Rows, Splits
from compress.distill import Distill
from compress.models.trained import Trained, save_trained
from compress.training.encoded import EncodedRows
from compress.training.loop import Session, remove_checkpoints, train


def distil(
    student: Trained,
    splits: Splits,
    train_logits: NDArray[np.float32],
    selection_logits: NDArray[np.float32],
    method: Distill,
    session: Session,
) -> Mapping[str, object]:
    """Train the student and save it in the session's folder; returns its score on the selection rows.

    Without labels the checkpoint is selected by agreement with the teacher.
    """
    objective = method.objective()

    def loss(logits: torch.Tensor, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        return objective(logits, batch["teacher_logits"], batch.get("labels"))

    selection = splits.validation
    if not splits.is_labelled:
        selection = Rows(selection.texts, selection_logits.argmax(axis=1).astype(np.int64))
    best = train(
        student.model,
        EncodedRows(student, splits.train, train_logits),
        EncodedRows(student, selection, selection_logits),
        method,
        loss,
        session,
    )
    save_trained(student.model, student.tokenizer, student.labels, student.max_length, session.folder)
    remove_checkpoints(session.folder)
    return {"selection_score": best}
