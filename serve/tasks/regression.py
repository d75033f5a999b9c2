"""Regression: a text, or a pair of texts, is answered with a number on the scale of the labels.

To the Hub and to transformers that is text classification with `problem_type: regression` and one output, to which
no function is applied.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from serve.tasks.answering import Answer, Answering, Array, Outputs, TensorSpec, Tokens, finite


@dataclass(frozen=True, slots=True)
class Rating:
    """One text's answer."""

    name: str  # of the model's one output
    value: float  # on the scale of the labels
    tokens: int  # tokens that the model saw, special tokens included
    truncated: bool  # the text was longer than the model's maximum and its end was not read

    @property
    def label(self) -> str:
        """The value, for people."""
        return f"{self.value:.4g}"

    @property
    def score(self) -> float:
        """The value: there is no probability."""
        return self.value

    @property
    def probabilities(self) -> dict[str, float]:
        """There are none."""
        return {}

    @property
    def logits(self) -> Sequence[float]:
        """The value: no function was applied."""
        return (self.value,)

    def told(self, top_k: int | None = None, *, raw: bool = False) -> list[dict[str, str | float]]:
        """As transformers' pipeline gives it: the output's name with the value as its score."""
        return [{"label": self.name, "score": self.value}]


class Regression(Answering):
    """Each text has a number."""

    kind: Literal["regression"] = "regression"
    # The range of the labels that the model was trained on, where it is known. An answer may lie outside it; how near
    # two answers are is measured by it.
    low: float | None = None
    high: float | None = None

    PROBLEM_TYPE: ClassVar[str | None] = "regression"
    FUNCTIONS: ClassVar[tuple[str, ...]] = ("none",)
    CSV_COLUMNS: ClassVar[tuple[str, ...]] = ("predicted_score", "truncated")

    def about(self, labels: Sequence[str]) -> str:
        """A number, and the range of what it learnt from."""
        known = (
            "" if self.low is None or self.high is None else f", learnt from {self.low:g} to {self.high:g}"
        )
        return f"a number{known}"

    def answers(self, asked: Sequence[Tokens], outputs: Outputs, labels: Sequence[str]) -> list[Answer]:
        """From outputs of shape (texts, 1)."""
        values = finite(np.asarray(outputs["logits"]))[:, 0]
        return [
            Rating(labels[0], float(value), len(one), bool(one.overflowing))
            for value, one in zip(values, asked, strict=True)
        ]

    def answer_from(self, reply: Any, labels: Sequence[str], tokens: int, *, truncated: bool) -> Answer:
        """From a list of the one output."""
        (one,) = reply
        return Rating(labels[0], float(one["score"]), tokens, truncated)

    def cells(self, answer: Answer) -> list[str]:
        """The value and whether the end was read."""
        return [f"{answer.score:.4f}", str(answer.truncated).lower()]

    def why_functions(self) -> str:
        """In the words of the protocol's error."""
        return "none: the model answers with a number and not with a probability."

    def tensors(self, labels: int) -> tuple[TensorSpec, ...]:
        """A number for each text."""
        return (TensorSpec("score", "FP32"),)

    def tensor(self, name: str, answers: Sequence[Answer]) -> list[str] | Array:
        """The values, (texts,)."""
        return np.array([answer.score for answer in answers], dtype=np.float32)
