"""The teacher's logits over the training set: computed once, kept on disk, used in every epoch."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from compress.data.rows import Rows
from compress.models.teachers import Teachers
from compress.progress import Progress

FILE = "logits.npz"


def compute_teacher_logits(
    teachers: Teachers,
    splits: dict[str, Rows],
    device: str,
    folder: Path,
    progress: Progress,
    check: Callable[[str, NDArray[np.float32]], None],
) -> None:
    """Write float32 logits of shape (rows, labels) for each split; texts are batched by length.

    `check` sees each split's logits as they are there, and may raise before the next split is begun.
    """
    predictor = teachers.predictor(device=device)
    arrays = {}
    with progress.bar("teacher's answers", len(teachers.members) * sum(map(len, splits.values()))) as advance:
        for name, rows in splits.items():
            arrays[name] = predictor.logits(rows.texts, advance)
            check(name, arrays[name])
    temporary = folder / f"{FILE}.part"
    with temporary.open("wb") as stream:
        np.savez(stream, **arrays)  # type: ignore[arg-type]  # numpy's stub mistakes names for its own options
    temporary.replace(folder / FILE)


def read_teacher_logits(folder: Path, split: str) -> NDArray[np.float32]:
    """Logits of shape (rows, labels), in the order of the split's rows."""
    with np.load(folder / FILE) as arrays:
        return np.asarray(arrays[split])
