"""Every contestant's answers on the reported rows, through the verb that all of them have."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from compress.judge.fidelity import stack_probabilities
from compress.progress import Progress
from serve.predictor import Predictor

CHUNK = 64
FILE = "probabilities.npz"


def record_answers(
    contestants: Mapping[str, Predictor],
    texts: Sequence[str],
    labels: Sequence[str],
    folder: Path,
    progress: Progress,
) -> None:
    """Write each contestant's probabilities of shape (rows, labels)."""
    arrays = {}
    with progress.bar("answers on the test rows", len(texts) * len(contestants)) as advance:
        for name, predictor in contestants.items():
            rows = []
            for start in range(0, len(texts), CHUNK):
                chunk = texts[start : start + CHUNK]
                rows.append(stack_probabilities(predictor.predict(chunk), labels))
                advance(len(chunk))
            arrays[name] = np.concatenate(rows)
    temporary = folder / f"{FILE}.part"
    with temporary.open("wb") as stream:
        np.savez(stream, **arrays)  # type: ignore[arg-type]  # numpy's stub mistakes names for its own options
    temporary.replace(folder / FILE)


def read_answers(folder: Path) -> dict[str, NDArray[np.float64]]:
    """Probabilities of shape (rows, labels) by contestant."""
    with np.load(folder / FILE) as arrays:
        return {name: np.asarray(arrays[name]) for name in arrays.files}
