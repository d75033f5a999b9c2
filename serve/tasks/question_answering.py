"""Extractive question answering: the part of a text (the context) that answers a question about it.

Long contexts are read in windows that overlap, each with the whole question. Offsets are characters of the context
that was asked.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, NonNegativeInt, PositiveInt

from serve.protocols import schemas
from serve.protocols.fields import known_fields, true_or_false, unreadable, whole_number
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
from serve.tasks.spans import Span, Window, answer_spans

STARTS, ENDS = "start_logits", "end_logits"
NO_ANSWER = "no answer"
_MOST_ANSWERS = 100  # that a request may have: to rank every part of a long context takes minutes
_SMALLEST = 1e-300  # that a logarithm is taken of
_CUTTING = (
    "doc_stride",
    "max_seq_len",
    "max_question_len",
)  # the pipeline's, which are the bundle's business


class Extracted(BaseModel):
    """One answer."""

    score: float
    start: int
    end: int
    answer: str


@dataclass(frozen=True, slots=True)
class Decoding:
    """How windows become answers."""

    longest: int  # tokens of an answer
    impossible: bool  # that there is none may be the answer
    threshold: float  # see `QuestionAnswering.null_threshold`
    whole_words: bool = True


@dataclass(frozen=True, slots=True)
class Extraction:
    """One question's answer."""

    answer: str  # empty where the context has none
    start: int  # characters of the context
    end: int  # the one after the last; equal to `start` where there is no answer
    score: float  # of the answer, or that there is none
    tokens: int  # tokens that the model saw, special tokens included
    truncated: bool = (
        False  # the question was too long and its end was not read; contexts are read in windows
    )
    null_score: float = 0.0  # that there is no answer: the lowest of the windows'
    best: Span | None = None  # the likeliest part of the context, also where no answer is likelier
    context: str = field(default="", repr=False, compare=False)
    windows: tuple[Window, ...] = field(default=(), repr=False, compare=False)
    decoding: Decoding | None = field(default=None, repr=False, compare=False)

    @property
    def label(self) -> str:
        """The answer, for people."""
        return self.answer or NO_ANSWER

    @property
    def probabilities(self) -> dict[str, float]:
        """There are none of labels."""
        return {}

    @property
    def logits(self) -> Sequence[float]:
        """There are none of labels."""
        return ()

    @property
    def margin(self) -> float:
        """By how much no answer is likelier than the best part of the context, in logarithms."""
        return _margin(self.null_score, self.best)

    def told(
        self,
        top_k: int | None = None,
        *,
        raw: bool = False,
        longest: int | None = None,
        impossible: bool | None = None,
        whole_words: bool | None = None,
    ) -> Any:
        """As the pipeline gives it: one answer, or with `top_k` above 1 a list where there are several.

        Raises ValueError where an endpoint's answer is asked for in another way.
        """
        if (top_k, longest, impossible, whole_words) == (None, None, None, None):
            return _told(Span(self.start, self.end, self.score), self.answer)
        if self.decoding is None:
            raise ValueError("an endpoint's answer is told in one way alone")
        own = self.decoding
        asked = Decoding(
            own.longest if longest is None else longest,
            own.impossible if impossible is None else impossible,
            own.threshold,
            own.whole_words if whole_words is None else whole_words,
        )
        found = _decoded(self.windows, self.context, self.null_score, asked, top_k or 1)
        told = [_told(span, self.context[span.start : span.end]) for span in found]
        return told[0] if len(told) == 1 else told


class QuestionAnswering(Answering):
    """A question is answered with a part of its context."""

    kind: Literal["question-answering"] = "question-answering"
    longest: PositiveInt = 15  # tokens of an answer; the pipeline's default where nothing was tuned
    # Rows without an answer were learnt from, so that there may be none.
    impossible: bool = False
    # There is no answer where the logarithm of its probability exceeds that of the best part of the context by more
    # than this: `null_score_diff_threshold` of the scripts for SQuAD 2.
    null_threshold: float = 0.0
    overlap: NonNegativeInt = 128  # tokens that neighbouring windows share, at most half of a window

    TASK: ClassVar[str] = "question-answering"
    SCORES_LABELS: ClassVar[bool] = False
    READS_WINDOWS: ClassVar[bool] = True
    WINDOWS_OF: ClassVar[Literal["longest_first", "only_second"]] = "only_second"
    BARE_SINGLE: ClassVar[bool] = True
    PAIR_FIELDS: ClassVar[tuple[str, str]] = ("question", "context")
    EXAMPLE_PAIR: ClassVar[tuple[str, str]] = ("Who wrote it?", "It was written by Ada Lovelace.")
    REPLY: ClassVar[Any] = Extracted | list[Extracted] | list[Extracted | list[Extracted]]
    CSV_COLUMNS: ClassVar[tuple[str, ...]] = ("answer", "score", "start", "end", "truncated")

    @property
    def stride(self) -> int:
        """Tokens that neighbouring windows share."""
        return self.overlap

    def about(self, labels: Sequence[str]) -> str:
        """What an answer may be."""
        return f"answers of up to {self.longest:,} tokens of the context{', or none' * self.impossible}"

    def outputs(self, labels: int) -> tuple[Output, ...]:
        """Two logits for every token: that the answer begins with it, and that it ends with it."""
        return Output(STARTS, per_token=True), Output(ENDS, per_token=True)

    def answers(self, asked: Sequence[Tokens], outputs: Outputs, labels: Sequence[str]) -> list[Answer]:
        """From two arrays (tokens,) for each window."""
        found: list[Answer] = []
        place = 0
        for one in asked:
            assert isinstance(one, Read)
            end = place + len(one.windows)
            windows = tuple(
                Window.of(window, finite(starts), finite(ends))
                for window, starts, ends in zip(
                    one.windows, outputs[STARTS][place:end], outputs[ENDS][place:end], strict=True
                )
            )
            place = end
            found.append(self._answer(one, windows))
        return found

    def _answer(self, one: Read, windows: tuple[Window, ...]) -> Answer:
        context = one.asked[1]
        none = min(window.none for window in windows)
        decoding = Decoding(self.longest, self.impossible, self.null_threshold)
        parts = answer_spans(windows, context, count=1, longest=self.longest)
        best = parts[0] if parts else None
        (chosen,) = _chosen(parts, none, decoding, 1)
        return Extraction(
            context[chosen.start : chosen.end],
            chosen.start,
            chosen.end,
            chosen.score,
            len(one.ids),
            one.cut,
            none,
            best,
            context,
            windows,
            decoding,
        )

    def answer_from(self, reply: Any, labels: Sequence[str], tokens: int, *, truncated: bool) -> Answer:
        """From one answer."""
        told = Extracted.model_validate(reply)
        return Extraction(told.answer, told.start, told.end, told.score, tokens, truncated)

    def cells(self, answer: Answer) -> list[str]:
        """The answer, how sure it is, and where it stands in the context."""
        assert isinstance(answer, Extraction)
        places = [str(answer.start), str(answer.end)]
        return [answer.answer, f"{answer.score:.4f}", *places, str(answer.truncated).lower()]

    # Hugging Face's `parameters`

    def parameters_schema(self) -> dict[str, Schema]:
        """What OpenAPI says of each."""
        return {
            "top_k": schemas.optional(
                {**schemas.COUNT, "maximum": _MOST_ANSWERS}, "So many answers, a list where it is above 1."
            ),
            "max_answer_len": schemas.optional(
                schemas.COUNT, f"Tokens of the longest answer; {self.longest} where it is left out."
            ),
            "handle_impossible_answer": schemas.optional(
                schemas.FLAG,
                "An empty answer where there is none; "
                f"{str(self.impossible).lower()} where it is left out, as the model was trained.",
            ),
            "align_to_words": schemas.optional(schemas.FLAG, "Whole words alone, by default."),
        }

    def options(self, given: dict[str, object]) -> Options:
        """See `Answering.options`."""
        for name in _CUTTING:
            if given.get(name) is not None:
                raise unreadable(
                    f"parameters.{name} is not read: windows are as the model was judged, which bundle.json says "
                    "under max_length and answering."
                )
        known = {name: value for name, value in given.items() if name not in _CUTTING}
        known_fields(known, tuple(self.parameters_schema()), " in parameters")
        return {
            "top_k": whole_number(given, "top_k", _MOST_ANSWERS),
            "longest": whole_number(given, "max_answer_len"),
            "impossible": true_or_false(given, "handle_impossible_answer"),
            "whole_words": true_or_false(given, "align_to_words"),
        }

    # The Open Inference Protocol's tensors

    def tensors(self, labels: int) -> tuple[TensorSpec, ...]:
        """The answer, where it stands in the context, and how sure it is."""
        return (
            TensorSpec("answer", "BYTES"),
            TensorSpec("start", "INT64"),
            TensorSpec("end", "INT64"),
            TensorSpec("score", "FP32"),
        )

    def tensor(self, name: str, answers: Sequence[Answer]) -> list[str] | Array | NDArray[np.int64]:
        """(texts,) each."""
        given = [answer for answer in answers if isinstance(answer, Extraction)]
        if name == "answer":
            return [answer.answer for answer in given]
        if name == "score":
            return np.array([answer.score for answer in given], dtype=np.float32)
        return np.array([answer.start if name == "start" else answer.end for answer in given], np.int64)


def _decoded(windows: Sequence[Window], context: str, none: float, how: Decoding, count: int) -> list[Span]:
    parts = answer_spans(windows, context, count=count, longest=how.longest, whole_words=how.whole_words)
    return _chosen(parts, none, how, count)


def _chosen(parts: Sequence[Span], none: float, how: Decoding, count: int) -> list[Span]:
    """The parts with the empty answer among them where there may be none; alone where the context has no token."""
    empty = Span(0, 0, none)
    if not parts:
        return [empty]
    found = list(parts)
    if how.impossible:
        place = sum(_margin(none, part) <= how.threshold for part in found)
        found.insert(place, empty)
    return found[:count]


def _margin(none: float, part: Span | None) -> float:
    if part is None:
        return math.inf
    return math.log(max(none, _SMALLEST)) - math.log(max(part.score, _SMALLEST))


def _told(span: Span, answer: str) -> dict[str, Any]:
    return {"score": span.score, "start": span.start, "end": span.end, "answer": answer}
