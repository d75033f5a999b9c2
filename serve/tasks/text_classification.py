"""Text classification: from logits to a label with its probabilities."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from serve.tasks.answering import Answer, Answering, Outputs, Tokens, finite, ranked

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

    def told(self, top_k: int | None = None, *, raw: bool = False) -> list[dict[str, str | float]]:
        """The labels, the most probable first; `raw` gives logits."""
        return ranked(
            tuple(self.probabilities), self.logits if raw else [*self.probabilities.values()], top_k
        )


class SingleLabel(Answering):
    """Each text has one of the labels."""

    kind: Literal["single-label"] = "single-label"

    PROBLEM_TYPE: ClassVar[str | None] = "single_label_classification"
    ONE_LABEL: ClassVar[bool] = True
    FUNCTIONS: ClassVar[tuple[str, ...]] = ("softmax", "none")

    def answers(self, asked: Sequence[Tokens], outputs: Outputs, labels: Sequence[str]) -> list[Answer]:
        """From logits of shape (texts, labels)."""
        counts, cut = [len(one) for one in asked], [bool(one.overflowing) for one in asked]
        return list(answers(np.asarray(outputs["logits"]), labels, counts, cut))

    def answer_from(self, reply: Any, labels: Sequence[str], tokens: int, *, truncated: bool) -> Answer:
        """From a list of labels with their scores."""
        row = {one["label"]: float(one["score"]) for one in reply}
        best = max(row, key=lambda label: row[label])
        return Classification(best, {label: row[label] for label in labels}, tokens, truncated)

    def why_functions(self) -> str:
        """In the words of the protocol's error."""
        return "softmax or none: the labels exclude each other."


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
    return [
        Classification(
            label=labels[int(row.argmax())],
            probabilities=dict(zip(labels, map(float, row), strict=True)),
            tokens=count,
            truncated=cut,
            logits=raw,
        )
        for row, raw, count, cut in zip(softmax(finite(logits)), logits, token_counts, truncated, strict=True)
    ]
