"""Several labels per text: each label has a probability of its own, and a threshold above which it is given.

To transformers that is text classification with `problem_type: multi_label_classification`.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from serve.tasks.answering import Answer, Answering, Array, Outputs, TensorSpec, Tokens, finite, ranked

_SHOWN = 8
THRESHOLD = 0.5  # where none was tuned


@dataclass(frozen=True, slots=True)
class LabelSet:
    """One text's answer."""

    labels: tuple[str, ...]  # those that are given, in the order of the model's outputs; may be none
    probabilities: dict[str, float]  # every label, in that order; each between 0 and 1
    tokens: int  # tokens that the model saw, special tokens included
    truncated: bool  # the text was longer than the model's maximum and its end was not read
    logits: Sequence[float] = field(default=(), compare=False, repr=False)  # in the same order

    @property
    def label(self) -> str:
        """The given labels, for people."""
        return ", ".join(self.labels) or "none"

    @property
    def score(self) -> float:
        """The highest probability of any label."""
        return max(self.probabilities.values())

    def told(self, top_k: int | None = None, *, raw: bool = False) -> list[dict[str, str | float]]:
        """Every label, the most probable first; `raw` gives logits. Which are given, the thresholds say."""
        return ranked(
            tuple(self.probabilities), self.logits if raw else [*self.probabilities.values()], top_k
        )


class MultiLabel(Answering):
    """Each text has any number of the labels."""

    kind: Literal["multi-label"] = "multi-label"
    # By label, tuned on rows that are not reported; 0.5 for others.
    thresholds: dict[str, float] = Field(default_factory=dict)

    PROBLEM_TYPE: ClassVar[str | None] = "multi_label_classification"
    FUNCTIONS: ClassVar[tuple[str, ...]] = ("sigmoid", "none")
    CSV_COLUMNS: ClassVar[tuple[str, ...]] = ("predicted_labels", "probabilities", "truncated")

    def about(self, labels: Sequence[str]) -> str:
        """Any of the labels, each with its threshold."""
        known = [f"{label} from {self.thresholds.get(label, THRESHOLD):.2f}" for label in labels[:_SHOWN]]
        return f"any of {len(labels):,} labels: {', '.join(known)}{', ...' if len(labels) > _SHOWN else ''}"

    def limits(self, labels: Sequence[str]) -> NDArray[np.float64]:
        """The threshold of each label, (labels,)."""
        return np.array([self.thresholds.get(label, THRESHOLD) for label in labels])

    def answers(self, asked: Sequence[Tokens], outputs: Outputs, labels: Sequence[str]) -> list[Answer]:
        """From logits of shape (texts, labels)."""
        logits = finite(np.asarray(outputs["logits"]))
        probabilities = sigmoid(logits)
        given = probabilities >= self.limits(labels)
        return [
            LabelSet(
                labels=tuple(label for label, one in zip(labels, chosen, strict=True) if one),
                probabilities=dict(zip(labels, map(float, row), strict=True)),
                tokens=len(one),
                truncated=bool(one.overflowing),
                logits=raw,
            )
            for chosen, row, raw, one in zip(given, probabilities, logits, asked, strict=True)
        ]

    def answer_from(self, reply: Any, labels: Sequence[str], tokens: int, *, truncated: bool) -> Answer:
        """From a list of labels with their probabilities."""
        row = {one["label"]: float(one["score"]) for one in reply}
        found = {label: row[label] for label in labels}
        given = [label for label in labels if found[label] >= self.thresholds.get(label, THRESHOLD)]
        return LabelSet(tuple(given), found, tokens, truncated)

    def cells(self, answer: Answer) -> list[str]:
        """The given labels and every label's probability, both as JSON, and whether the end was read."""
        assert isinstance(answer, LabelSet)
        rounded = {label: round(value, 4) for label, value in answer.probabilities.items()}
        written = (json.dumps(value, ensure_ascii=False) for value in (answer.labels, rounded))
        return [*written, str(answer.truncated).lower()]

    def why_functions(self) -> str:
        """In the words of the protocol's error."""
        return "sigmoid or none: each label has a probability of its own."

    def tensors(self, labels: int) -> tuple[TensorSpec, ...]:
        """The given labels as a JSON list, and every label's probability."""
        return (TensorSpec("labels", "BYTES"), TensorSpec("probabilities", "FP32", labels))

    def tensor(self, name: str, answers: Sequence[Answer]) -> list[str] | Array | NDArray[np.int64]:
        """Lists as JSON (texts,), or probabilities (texts, labels)."""
        if name != "labels":
            return super().tensor(name, answers)
        given = [answer.labels for answer in answers if isinstance(answer, LabelSet)]
        return [json.dumps(labels, ensure_ascii=False) for labels in given]


def sigmoid(logits: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Each label's own probability, of the same shape."""
    return np.asarray(1 / (1 + np.exp(-logits.astype(np.float64))))
