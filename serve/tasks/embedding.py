"""Sentence embeddings: a text is answered with a vector, and texts that mean the same with vectors that point alike.

Pooling and normalising are part of the graph. Of a pair of texts each is embedded by itself, and the answer knows
both vectors and their cosine.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import NonNegativeInt

from serve.inputs import Input, parts
from serve.protocols import schemas
from serve.protocols.fields import known_fields, true_or_false, unreadable
from serve.protocols.schemas import Schema
from serve.tasks.answering import (
    Answer,
    Answering,
    Array,
    Options,
    Output,
    Outputs,
    Read,
    TensorSpec,
    Tokens,
    finite,
)

Pooling = Literal["mean", "cls", "max"]
OUTPUT = "embedding"
_SMALLEST = 1e-12  # of a length that something is divided by, as in PyTorch's normalize


@dataclass(frozen=True, slots=True, eq=False)
class Embedding:
    """One text's answer, or that to two texts."""

    vectors: Array  # (1, width); of a pair (2, width)
    tokens: int  # tokens that the model saw, special tokens included, of a pair those of both
    truncated: bool  # a text was longer than the model's maximum and its end was not read

    @property
    def vector(self) -> Array:
        """Of the text, or of the first of two: (width,)."""
        return np.asarray(self.vectors[0])

    @property
    def similarity(self) -> float | None:
        """The cosine of the two vectors, between -1 and 1; None of a single text."""
        return None if len(self.vectors) < 2 else float(cosines(self.vectors[:1], self.vectors[1:])[0])

    @property
    def label(self) -> str:
        """How many numbers, or of a pair its cosine, for people."""
        return f"{self.vectors.shape[1]} numbers" if self.similarity is None else f"{self.similarity:.4f}"

    @property
    def score(self) -> float:
        """Of a pair its cosine, of a single text the length of its vector: there is no probability."""
        return float(np.linalg.norm(self.vector)) if self.similarity is None else self.similarity

    @property
    def probabilities(self) -> dict[str, float]:
        """There are none."""
        return {}

    @property
    def logits(self) -> Sequence[float]:
        """There are none."""
        return ()

    def told(
        self,
        top_k: int | None = None,
        *,
        raw: bool = False,
        normalize: bool | None = None,
        truncate: bool | None = None,
    ) -> list[Any]:
        """The vector as a list of numbers, of a pair two of them; `normalize` makes its length 1.

        Raises `Refusal` 422 where `truncate` is False and the end of the text was not read.
        """
        if truncate is False and self.truncated:
            raise unreadable("A text has more tokens than the model reads, and truncate is false.")
        told: list[Any] = (unit(self.vectors) if normalize else self.vectors).tolist()
        return told[0] if len(told) == 1 else told


class SentenceEmbedding(Answering):
    """Each text has a vector."""

    kind: Literal["embedding"] = "embedding"
    width: NonNegativeInt = 0  # numbers of a vector; 0 where the model is not known yet
    pooling: Pooling = "mean"  # what the graph does with the tokens' states
    normalized: bool = False  # the graph's vectors have length 1

    TASK: ClassVar[str] = "sentence-similarity"
    SCORES_LABELS: ClassVar[bool] = False
    EMBEDS: ClassVar[bool] = True
    READS_EACH: ClassVar[bool] = True
    FLAT_PARAMETERS: ClassVar[bool] = True
    REPLY: ClassVar[Any] = list[list[float]]
    CSV_COLUMNS: ClassVar[tuple[str, ...]] = ("embedding", "truncated")

    @classmethod
    def of_each(cls, inputs: Sequence[Input], answers: Sequence[Answer]) -> list[Answer]:
        """The vectors of a pair as one answer."""
        rest = iter(answers)
        found: list[Answer] = []
        for asked in inputs:
            some = [one for one in islice(rest, len(parts(asked))) if isinstance(one, Embedding)]
            tokens = sum(one.tokens for one in some) if all(one.tokens for one in some) else 0
            vectors = np.concatenate([one.vectors for one in some])
            found.append(Embedding(vectors, tokens, any(one.truncated for one in some)))
        return found

    def about(self, labels: Sequence[str]) -> str:
        """How wide, and how it was made."""
        length = ", of length 1" if self.normalized else ""
        return f"a vector of {self.width:,} numbers ({self.pooling} pooling{length})"

    def outputs(self, labels: int) -> tuple[Output, ...]:
        """One vector for each text."""
        return (Output(OUTPUT, width=self.width),)

    def answers(self, asked: Sequence[Tokens], outputs: Outputs, labels: Sequence[str]) -> list[Answer]:
        """From vectors of shape (texts, width), those of a pair one after the other."""
        vectors = finite(np.asarray(outputs[OUTPUT], dtype=np.float32))
        found: list[Answer] = []
        start = 0
        for one in asked:
            assert isinstance(one, Read)
            end = start + len(one.windows)
            cut = any(window.overflowing for window in one.windows)
            found.append(Embedding(vectors[start:end], len(one.ids), cut))
            start = end
        return found

    def answer_from(self, reply: Any, labels: Sequence[str], tokens: int, *, truncated: bool) -> Answer:
        """From a list of numbers."""
        vectors = np.asarray(reply, dtype=np.float32).reshape(-1, self.width)
        return Embedding(vectors, tokens, truncated)

    def cells(self, answer: Answer) -> list[str]:
        """The vector as a JSON list (of a pair two), and whether the end was read."""
        assert isinstance(answer, Embedding)
        # Of a float32 the shortest decimal that is read back as the same.
        listed = [[float(str(value)) for value in vector] for vector in answer.vectors]
        return [json.dumps(listed[0] if len(listed) == 1 else listed), str(answer.truncated).lower()]

    def parameters_schema(self) -> dict[str, Schema]:
        """As the Hub's task `feature-extraction` has them."""
        return {
            "normalize": schemas.optional(schemas.FLAG, "Make every vector's length 1."),
            "truncate": schemas.optional(
                schemas.FLAG, "false refuses a text that is longer than the model reads."
            ),
            "truncation_direction": {"enum": ["right", "Right", None], "description": "The end is cut off."},
            "prompt_name": {"enum": [None], "description": "The model has no prompts."},
        }

    def options(self, given: dict[str, object]) -> Options:
        """See `Answering`."""
        known_fields(given, tuple(self.parameters_schema()), " in parameters")
        if given.get("truncation_direction") not in (None, "right", "Right"):
            raise unreadable("truncation_direction must be right: the end of a long text is cut off.")
        if given.get("prompt_name") is not None:
            raise unreadable("prompt_name must be left out: this model has no prompts.")
        return {name: true_or_false(given, name) for name in ("normalize", "truncate")}

    def tensors(self, labels: int) -> tuple[TensorSpec, ...]:
        """The vectors."""
        return (TensorSpec(OUTPUT, "FP32", self.width),)

    def tensor(self, name: str, answers: Sequence[Answer]) -> list[str] | Array:
        """(texts, width)."""
        return np.stack([answer.vector for answer in answers if isinstance(answer, Embedding)])


def unit(vectors: NDArray[Any]) -> NDArray[Any]:
    """Vectors (..., width) of length 1, in the precision that they have; one of length 0 stays 0."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, _SMALLEST), dtype=vectors.dtype)


def cosines(one: NDArray[Any], other: NDArray[Any]) -> NDArray[np.float64]:
    """Of vectors (rows, width) with those of the same row: (rows,)."""
    both = (unit(np.asarray(vectors, np.float64)) for vectors in (one, other))
    return np.asarray(np.einsum("rw,rw->r", *both))
