"""Vectors in evaluation.jsonl: base64 of float32, little-endian, as embeddings travel elsewhere too."""

import base64
import binascii
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compress.tasks.interface import Fault
from serve.tasks.embedding import cosines

_REBUILD = "make the bundle again with `compress run`, or copy it again from where it was made"


def tell_vectors(vectors: NDArray[np.float64]) -> dict[str, Any]:
    """Of one row, (texts, width); the cosine of a pair beside them, for people."""
    encoded = [base64.b64encode(vector.astype("<f4").tobytes()).decode() for vector in vectors]
    told: dict[str, Any] = {"embeddings": encoded}
    if len(vectors) == 2:
        told["similarity"] = round(float(cosines(vectors[:1], vectors[1:])[0]), 6)
    return told


def read_vectors(told: Any) -> NDArray[np.float32]:
    """(texts, width); raises `Fault`."""
    listed = told.get("embeddings") if isinstance(told, dict) else None
    try:
        vectors = np.stack(
            [np.frombuffer(base64.b64decode(one, validate=True), "<f4") for one in listed or []]
        )
    except (TypeError, ValueError, binascii.Error):
        vectors = np.empty((0, 0), np.float32)
    if not vectors.size or not np.isfinite(vectors).all():
        raise Fault(
            ": the teacher's answer has no embeddings that can be read",
            'a list "embeddings" with base64 of as many float32 numbers for each text',
            _REBUILD,
        )
    return vectors
