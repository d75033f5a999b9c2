"""Token classification: names, places and whatever else the words of a text are tagged with, as spans of the text.

Long texts are read in windows that overlap. Offsets are characters of the text that was asked.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, Field

from serve.protocols import schemas
from serve.protocols.fields import known_fields, unreadable
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
from serve.tasks.entities import (
    OUTSIDE,
    STRATEGIES,
    Cutting,
    Decode,
    Pieces,
    Strategy,
    Told,
    entities,
    merged,
    single_pieces,
    softmax,
)

_SHOWN = 8


class Entity(BaseModel):
    """One entity, or with `aggregation_strategy: none` one piece of a word."""

    entity_group: str | None = None
    entity: str | None = None
    score: float
    index: int | None = None
    word: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Tagging:
    """One text's answer."""

    entities: tuple[Told, ...]  # by the model's own strategy, in the order of the text
    tokens: int  # tokens that the model saw, special tokens included
    truncated: bool = False  # never: long texts are read in windows
    names: tuple[str, ...] = ()  # of the labels, in the order of the scores
    windows: tuple[Pieces, ...] = field(default=(), repr=False, compare=False)
    pieces: Pieces | None = field(default=None, repr=False, compare=False)  # of the whole text, each once
    decode: Decode | None = field(default=None, repr=False, compare=False)

    @property
    def label(self) -> str:
        """The entities, for people."""
        return ", ".join(f"{one['word']} ({one['entity_group']})" for one in self.entities) or "no entities"

    @property
    def score(self) -> float:
        """Of the least sure entity; 1 where there is none."""
        return min((float(one["score"]) for one in self.entities), default=1.0)

    @property
    def probabilities(self) -> dict[str, float]:
        """A text has none."""
        return {}

    @property
    def logits(self) -> Sequence[float]:
        """A text has none."""
        return ()

    def told(
        self,
        top_k: int | None = None,
        *,
        raw: bool = False,
        strategy: Strategy | None = None,
        ignored: Sequence[str] | None = None,
    ) -> list[Told]:
        """As transformers' pipeline gives it; raises ValueError for another strategy of an endpoint's answer."""
        if strategy is None and ignored is None:
            return [dict(one) for one in self.entities]
        if self.pieces is None or self.decode is None or strategy is None:
            raise ValueError("an endpoint's answer has the entities of one strategy alone")
        left_out = (OUTSIDE,) if ignored is None else ignored
        if strategy == "none":
            return single_pieces(self.pieces, self.names, left_out)
        return entities(self.windows, self.names, strategy, self.decode, left_out)


class TokenClassification(Answering):
    """Every word of a text has a label; entities are what words make together."""

    kind: Literal["token-classification"] = "token-classification"
    # Of words that are several pieces, whose label counts; `first` is what the model is trained and scored by.
    strategy: Strategy = "first"
    overlap: int = Field(default=64, ge=0)  # tokens that neighbouring windows share, at most half of a window

    TASK: ClassVar[str] = "token-classification"
    SCORES_LABELS: ClassVar[bool] = False
    READS_WINDOWS: ClassVar[bool] = True
    BARE_SINGLE: ClassVar[bool] = True
    REPLY: ClassVar[Any] = list[Entity] | list[list[Entity]]
    CSV_COLUMNS: ClassVar[tuple[str, ...]] = ("entities",)

    @property
    def stride(self) -> int:
        """Tokens that neighbouring windows share."""
        return self.overlap

    def about(self, labels: Sequence[str]) -> str:
        """The types of entities."""
        kinds = sorted({label.split("-", 1)[-1] for label in labels if label != OUTSIDE})
        return f"entities of {len(kinds)} types: {', '.join(kinds[:_SHOWN])}{', ...' if len(kinds) > _SHOWN else ''}"

    def outputs(self, labels: int) -> tuple[Output, ...]:
        """Logits of every token."""
        return (Output("logits", per_token=True, width=labels),)

    def answers(self, asked: Sequence[Tokens], outputs: Outputs, labels: Sequence[str]) -> list[Answer]:
        """From logits of shape (tokens, labels) for each window."""
        found: list[Answer] = []
        place, names = 0, tuple(labels)
        for one in asked:
            assert isinstance(one, Read)
            logits = outputs["logits"][place : place + len(one.windows)]
            place += len(one.windows)
            found.append(self._answer(one, [finite(values) for values in logits], names))
        return found

    def _answer(self, one: Read, logits: Sequence[Array], names: tuple[str, ...]) -> Answer:
        assert one.tokenizer is not None
        cutting = Cutting.of(one.tokenizer)
        windows = tuple(
            cutting.pieces(str(one.asked), window, softmax(values[: len(window.ids)]))
            for window, values in zip(one.windows, logits, strict=True)
        )
        truncation = one.tokenizer.truncation
        shared = truncation["stride"] if truncation else 0
        first = [0]
        for window in windows[:-1]:
            first.append(first[-1] + len(window.words) - shared)
        whole = merged(windows, first)
        decode = cutting.decode
        told = (
            single_pieces(whole, names)
            if self.strategy == "none"
            else entities(windows, names, self.strategy, decode)
        )
        return Tagging(tuple(told), len(one.ids), False, names, windows, whole, decode)

    def answer_from(self, reply: Any, labels: Sequence[str], tokens: int, *, truncated: bool) -> Answer:
        """From the entities, as the model's own strategy gives them."""
        told = [Entity.model_validate(one).model_dump(exclude_none=True) for one in reply]
        return Tagging(tuple(told), tokens, truncated, tuple(labels))

    def cells(self, answer: Answer) -> list[str]:
        """The entities as JSON."""
        told = [{**one, "score": round(one["score"], 4)} for one in answer.told()]
        return [json.dumps(told, ensure_ascii=False)]

    # Hugging Face's `parameters`

    def parameters_schema(self) -> dict[str, Schema]:
        """What OpenAPI says of each."""
        return {
            "aggregation_strategy": {
                "enum": [*STRATEGIES, None],
                "description": f"How pieces become words and entities; {self.strategy} where it is left out.",
            },
            "ignore_labels": schemas.optional(
                {"type": "array", "items": {"type": "string"}}, 'Labels that are left out; ["O"] by default.'
            ),
        }

    def options(self, given: dict[str, object]) -> Options:
        """See `Answering.options`."""
        if given.get("stride") is not None:
            raise unreadable(
                "parameters.stride is not read: windows share as many tokens as bundle.json says under answering."
            )
        known_fields(
            {name: one for name, one in given.items() if name != "stride"},
            tuple(self.parameters_schema()),
            " in parameters",
        )
        strategy = given.get("aggregation_strategy")
        if strategy is not None and strategy not in STRATEGIES:
            raise unreadable(f"parameters.aggregation_strategy must be one of {', '.join(STRATEGIES)}.")
        ignored = given.get("ignore_labels")
        if ignored is not None and not (
            isinstance(ignored, list) and all(isinstance(one, str) for one in ignored)
        ):
            raise unreadable("parameters.ignore_labels must be a list of labels.")
        if strategy is None and ignored is None:
            return {}
        return {"strategy": strategy or self.strategy, "ignored": ignored}

    # The Open Inference Protocol's tensors

    def tensors(self, labels: int) -> tuple[TensorSpec, ...]:
        """The entities of each text as a JSON list."""
        return (TensorSpec("entities", "BYTES"),)

    def tensor(self, name: str, answers: Sequence[Answer]) -> list[str] | Array:
        """Lists as JSON, (texts,)."""
        return [json.dumps(answer.told(), ensure_ascii=False) for answer in answers]
