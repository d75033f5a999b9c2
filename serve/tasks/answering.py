"""What every task has on the serving side: how a graph's outputs become answers, and how answers are told.

A task is one file with two classes: its answer, a frozen dataclass with what `Answer` names, and its `Answering`, a
frozen class of settings that lies in bundle.json as `answering` and does the work. The union of those classes, in
`serve/tasks/__init__.py`, is the registry.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict
from tokenizers import Encoding, Tokenizer

from serve.inputs import Input, parts
from serve.protocols import schemas
from serve.protocols.fields import known_fields, unreadable, whole_number
from serve.protocols.schemas import Schema

Array = NDArray[np.float32]


class Answer(Protocol):
    """What an answer of any task tells; each task's own class has more."""

    @property
    def label(self) -> str:
        """The answer in a few words, for people."""
        ...

    @property
    def score(self) -> float:
        """How sure it is, between 0 and 1; of a regression, its value."""
        ...

    @property
    def probabilities(self) -> Mapping[str, float]:
        """Of every label, in the order of the model's outputs; empty where a task has none."""
        ...

    @property
    def logits(self) -> Sequence[float]:
        """In the order of the labels, before softmax or sigmoid; empty where a task has none."""
        ...

    @property
    def tokens(self) -> int:
        """Tokens that the model saw, special tokens included."""
        ...

    @property
    def truncated(self) -> bool:
        """The text was longer than the model's maximum and its end was not read."""
        ...

    def told(self, top_k: int | None = None, *, raw: bool = False) -> Any:
        """As JSON, in the shape of transformers' pipeline for the task; `raw` gives logits where it has them."""
        ...


class Score(BaseModel):
    """One label with its probability."""

    label: str
    score: float


class Output(NamedTuple):
    """One output that the graph of a task has."""

    name: str
    per_token: bool = False  # (texts, tokens, ...) where True, else (texts, ...)
    width: int | None = (
        None  # of the last axis; None where there is none after texts and tokens, or it is not known
    )

    @property
    def rank(self) -> int:
        """How many axes it has."""
        return 1 + self.per_token + (self.width is not None)


@dataclass(frozen=True, slots=True)
class Read:
    """What a model reads of one input, for tasks that answer with parts of the text or read it in windows.

    It stands where other tasks have the tokenizer's `Encoding`, with the two attributes that a queue looks at.
    """

    asked: Input
    windows: tuple[Encoding, ...]  # in the order of the text; one where it is short enough
    tokenizer: Tokenizer | None = None  # that cut it
    cut: bool = False  # the first of two texts, which every window has, was too long and its end is not read

    @property
    def ids(self) -> list[int]:
        """Of all windows, one after the other: what it costs to answer."""
        return [number for window in self.windows for number in window.ids]

    def __len__(self) -> int:
        """How many these are."""
        return sum(map(len, self.windows))

    @property
    def overflowing(self) -> list[Encoding]:
        """Nothing: every part of the text is read."""
        return []


Tokens = Encoding | Read  # of one input; see `Answering.reads_windows`

# By the output's name. Of an output without tokens an array (windows, ...), else an array (tokens of the window, ...)
# for each window. Windows come in the order of the inputs, all of an input's one after the other.
Outputs = Mapping[str, Array | Sequence[Array]]

Options = dict[str, Any]  # keyword arguments of `Answer.told`


class TensorSpec(NamedTuple):
    """One output tensor of the Open Inference Protocol."""

    name: str
    datatype: str  # BYTES, FP32 or INT64
    width: int | None = None  # None: one element for each text


class Answering(BaseModel):
    """How the models of a task answer; its fields are what the manifest keeps of it.

    What a subclass does not say is as in text classification with one label.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: str  # of each task its own

    TASK: ClassVar[str] = "text-classification"  # the Hub's name
    PROBLEM_TYPE: ClassVar[str | None] = None  # transformers' word in config.json, where it has one
    ONE_LABEL: ClassVar[bool] = (
        False  # one label for each text: what a cascade, a shadow and the demo compare
    )
    SCORES_LABELS: ClassVar[bool] = True  # `POST /predict` answers with labels and their scores
    READS_WINDOWS: ClassVar[bool] = False  # long texts are read in windows, and answers need the text: `Read`
    WINDOWS_OF: ClassVar[Literal["longest_first", "only_second"]] = "longest_first"  # what of a pair is cut
    READS_EACH: ClassVar[bool] = (
        False  # each text of a pair is read by itself, as a window of its own: `Read`
    )
    EMBEDS: ClassVar[bool] = False  # answers are vectors: `POST /embed`, `POST /v1/embeddings`
    FLAT_PARAMETERS: ClassVar[bool] = False  # of `POST /` they stand beside `inputs` too
    PAIR_FIELDS: ClassVar[tuple[str, str]] = ("text", "text_pair")  # of an input of two texts, in JSON
    EXAMPLE_PAIR: ClassVar[tuple[str, str]] = ("a fine film", "a good one")  # for people
    FUNCTIONS: ClassVar[tuple[str, ...]] = ()  # what `function_to_apply` may be
    BARE_SINGLE: ClassVar[bool] = False  # `POST /` answers a text that is in no list with its answer in none
    # What `POST /` answers, a list with an element for each text.
    REPLY: ClassVar[Any] = list[list[Score]]
    CSV_COLUMNS: ClassVar[tuple[str, ...]] = ("predicted_label", "score", "truncated")

    @classmethod
    def singly(cls, inputs: Sequence[Input]) -> list[Input]:
        """Inputs as a server is asked them: where each text is read by itself, one by one."""
        return [text for asked in inputs for text in parts(asked)] if cls.READS_EACH else list(inputs)

    @classmethod
    def of_each(cls, inputs: Sequence[Input], answers: Sequence[Answer]) -> list[Answer]:  # noqa: ARG003  others need it
        """The answers to inputs, from those to `singly` of them."""
        return list(answers)

    @property
    def stride(self) -> int:
        """Tokens that neighbouring windows share."""
        return 0

    def about(self, labels: Sequence[str]) -> str:
        """What the answers are, in a few words for people; empty where they are one of the labels."""
        return ""

    def outputs(self, labels: int) -> tuple[Output, ...]:
        """What the graph of a model with so many labels has."""
        return (Output("logits", width=labels),)

    def answers(self, asked: Sequence[Tokens], outputs: Outputs, labels: Sequence[str]) -> list[Answer]:
        """One answer per input; raises `FloatingPointError` for NaN, which JSON has none of."""
        raise NotImplementedError

    def answer_from(self, reply: Any, labels: Sequence[str], tokens: int, *, truncated: bool) -> Answer:
        """The answer that an endpoint gave as `Answer.told` tells it; raises KeyError, TypeError or ValueError."""
        raise NotImplementedError

    def cells(self, answer: Answer) -> list[str]:
        """A csv file's cells under `CSV_COLUMNS`."""
        return [answer.label, f"{answer.score:.4f}", str(answer.truncated).lower()]

    # Hugging Face's `parameters`

    def parameters_schema(self) -> dict[str, Schema]:
        """What OpenAPI says of each."""
        functions = {
            "enum": [*self.FUNCTIONS, None],
            "description": f"{self.FUNCTIONS[0]} (by default), or none for logits."
            if len(self.FUNCTIONS) > 1
            else "none: the model's numbers are the answer.",
        }
        return {
            "function_to_apply": functions,
            "top_k": schemas.optional(schemas.COUNT, "So many labels."),
        }

    def options(self, given: dict[str, object]) -> Options:
        """Arguments of `Answer.told`; raises `Refusal` 422 for a parameter that is not known or cannot be."""
        known_fields(given, tuple(self.parameters_schema()), " in parameters")
        function = given.get("function_to_apply")
        if function is not None and function not in self.FUNCTIONS:
            raise unreadable(f"parameters.function_to_apply must be {self.why_functions()}")
        return {"top_k": whole_number(given, "top_k"), "raw": function == "none"}

    def why_functions(self) -> str:
        """Which functions there are, and why no other."""
        return f"{' or '.join(self.FUNCTIONS)}."

    # The Open Inference Protocol's tensors

    def tensors(self, labels: int) -> tuple[TensorSpec, ...]:
        """What comes out, by name."""
        return (TensorSpec("label", "BYTES"), TensorSpec("probabilities", "FP32", labels))

    def tensor(self, name: str, answers: Sequence[Answer]) -> list[str] | Array | NDArray[np.int64]:
        """The elements of one of them: strings (texts,), or numbers (texts,) or (texts, width)."""
        if name == "label":
            return [answer.label for answer in answers]
        return np.array([list(answer.probabilities.values()) for answer in answers], dtype=np.float32)


def finite(values: Array) -> Array:
    """The values; raises `FloatingPointError` where one is NaN or infinite."""
    if not np.isfinite(values).all():
        raise FloatingPointError("the model gave numbers that are none")  # JSON has none, nor has an answer
    return values


def ranked(labels: Sequence[str], values: Sequence[float], top_k: int | None) -> list[dict[str, str | float]]:
    """Labels with their scores, the highest first, as transformers' pipeline gives them."""
    pairs = sorted(zip(labels, map(float, values), strict=True), key=lambda pair: -pair[1])
    return [{"label": label, "score": score} for label, score in pairs[:top_k]]
