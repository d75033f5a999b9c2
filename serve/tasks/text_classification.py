"""Text classification: from logits to a label with its probabilities."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

NAME = "text-classification"


@dataclass(frozen=True, slots=True)
class Classification:
    """One text's answer."""

    label: str
    probabilities: dict[str, float]  # every label, in the order of the model's outputs; sums to 1
    tokens: int  # tokens that the model saw, special tokens included
    truncated: bool  # the text was longer than the model's maximum and its end was not read
    logits: Sequence[float] = field(
        default=(), compare=False, repr=False
    )  # in the order of the probabilities

    @property
    def score(self) -> float:
        """Probability of the chosen label, between 0 and 1."""
        return self.probabilities[self.label]


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """Probabilities over the last axis; logits of shape (batch, labels)."""
    shifted = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    exponentials = np.exp(shifted)
    return np.asarray(exponentials / exponentials.sum(axis=-1, keepdims=True))


def answers(
    logits: NDArray[np.float32],
    labels: Sequence[str],
    token_counts: Sequence[int],
    truncated: Sequence[bool],
) -> list[Classification]:
    """Turn logits of shape (batch, labels) into one answer per row; raises `FloatingPointError` for NaN."""
    if not np.isfinite(logits).all():
        raise FloatingPointError("the model gave numbers that are none")  # JSON has none, nor has an answer
    return [
        Classification(
            label=labels[int(row.argmax())],
            probabilities=dict(zip(labels, map(float, row), strict=True)),
            tokens=count,
            truncated=cut,
            logits=raw,
        )
        for row, raw, count, cut in zip(softmax(logits), logits, token_counts, truncated, strict=True)
    ]
