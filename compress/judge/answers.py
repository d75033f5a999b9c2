"""A contestant's answers on the reported rows, through the verb that all of them have."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from compress.progress import Progress
from compress.tasks import SINGLE_LABEL, Task
from serve.inputs import Input
from serve.predictor import Predictor
from serve.tasks import Answer

CHUNK = 64
FILE = "probabilities.npy"


def record_answers(
    name: str,
    predictor: Predictor,
    texts: Sequence[Input],
    labels: Sequence[str],
    folder: Path,
    progress: Progress,
    task: Task = SINGLE_LABEL,
) -> None:
    """Write what the task stacks of the answers, (rows, ...); `name` is told beside the progress."""
    answers: list[Answer] = []
    with progress.bar(f"{name}: answers", len(texts)) as advance:
        for start in range(0, len(texts), CHUNK):
            chunk = texts[start : start + CHUNK]
            answers += predictor.predict(chunk)
            advance(len(chunk))
    temporary = folder / f"{FILE}.part"
    with temporary.open("wb") as stream:
        np.save(stream, task.stack(answers, labels))
    temporary.replace(folder / FILE)


def read_answers(folder: Path) -> NDArray[np.float64]:
    """What `record_answers` wrote."""
    return np.asarray(np.load(folder / FILE))
