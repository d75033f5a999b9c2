"""A contestant's answers on the reported rows, through the verb that all of them have."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from compress.judge.fidelity import stack_probabilities
from compress.progress import Progress
from serve.inputs import Input
from serve.predictor import Predictor

CHUNK = 64
FILE = "probabilities.npy"


def record_answers(
    name: str,
    predictor: Predictor,
    texts: Sequence[Input],
    labels: Sequence[str],
    folder: Path,
    progress: Progress,
) -> None:
    """Write the probabilities of shape (rows, labels); `name` is told beside the progress."""
    rows = []
    with progress.bar(f"{name}: answers", len(texts)) as advance:
        for start in range(0, len(texts), CHUNK):
            chunk = texts[start : start + CHUNK]
            rows.append(stack_probabilities(predictor.predict(chunk), labels))
            advance(len(chunk))
    temporary = folder / f"{FILE}.part"
    with temporary.open("wb") as stream:
        np.save(stream, np.concatenate(rows))
    temporary.replace(folder / FILE)


def read_answers(folder: Path) -> NDArray[np.float64]:
    """Probabilities of shape (rows, labels)."""
    return np.asarray(np.load(folder / FILE))
