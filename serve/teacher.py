"""A teacher beside the student in production: asked for a sample in the background, or where the student is in doubt.

Both are bundles with the same labels. `Shadow` changes no answer: it counts how often the two agree on what people
really send. `Cascade` hands answers under a confidence threshold on to the teacher, which costs what it costs.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from contextvars import Context
from dataclasses import dataclass, replace
from math import log
from random import Random
from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Histogram

from serve.batcher import Answered
from serve.errors import UserError
from serve.info import Info
from serve.inputs import Input
from serve.refusal import Refusal
from serve.tasks import Answer, Answering, Classification

_PENDING = 64  # samples that wait for the teacher; more are let go
_LOGGED = 200  # disagreements that are remembered
_SMALLEST = 1e-12
_NATS = (0.001, 0.01, 0.03, 0.1, 0.3, 1, 3, 10)


class Asked(Protocol):
    """Whoever answers texts: a `serve.batcher.Batcher`."""

    async def answer(self, texts: Sequence[Input], seconds: float | None = None) -> Answered:
        """Answers in the order of the texts."""
        ...


@dataclass(frozen=True, slots=True)
class Disagreement:
    """One text on which the two differ; the text itself only where the server was asked to keep it."""

    student: str
    student_score: float
    teacher: str
    teacher_score: float
    kl: float  # nats, of the student's probabilities from the teacher's
    tokens: int
    text: Input | None


class Shadow:
    """Compares a sample of the student's answers with the teacher's."""

    def __init__(
        self,
        teacher: Asked,
        share: float,
        registry: CollectorRegistry,
        *,
        keep_texts: bool = False,
        seed: int = 0,
    ) -> None:
        self._teacher = teacher
        self._share = share
        self._keep_texts = keep_texts
        self._random = Random(seed)  # noqa: S311  a sample, no secret
        self._tasks: set[asyncio.Task[None]] = set()
        self.log: deque[Disagreement] = deque(maxlen=_LOGGED)
        self._compared = Counter(
            "compress_shadow_texts", "Texts that the teacher answered too.", registry=registry
        )
        self._agreed = Counter("compress_shadow_agreed", "Of these, with the same label.", registry=registry)
        self._let_go = Counter(
            "compress_shadow_let_go",
            "Samples that were not compared: the teacher was busy.",
            registry=registry,
        )
        self._kl = Histogram(
            "compress_shadow_kl_nats", "KL of the student from the teacher.", buckets=_NATS, registry=registry
        )

    def look(self, texts: Sequence[Input], answers: Sequence[Answer]) -> None:
        """Perhaps compare these, later; returns at once."""
        drawn = [place for place in range(len(texts)) if self._random.random() < self._share]
        if not drawn:
            return
        if len(self._tasks) >= _PENDING:
            self._let_go.inc(len(drawn))
            return
        some = [texts[place] for place in drawn], [answers[place] for place in drawn]
        # In no context: what the teacher does now is no part of the request, nor of its trace.
        task = asyncio.get_running_loop().create_task(self._compare(*some), context=Context())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _compare(self, texts: Sequence[Input], answers: Sequence[Answer]) -> None:
        try:
            found = await self._teacher.answer(texts)
        except Refusal:
            self._let_go.inc(len(texts))
            return
        except Exception:
            logging.getLogger(__name__).exception("the teacher failed on a sample")
            self._let_go.inc(len(texts))
            return
        for text, student, teacher in zip(texts, answers, found.answers, strict=True):
            nats = divergence(teacher, student)
            self._compared.inc()
            self._kl.observe(nats)
            if student.label == teacher.label:
                self._agreed.inc()
                continue
            self.log.append(
                Disagreement(
                    student=student.label,
                    student_score=student.score,
                    teacher=teacher.label,
                    teacher_score=teacher.score,
                    kl=nats,
                    tokens=student.tokens,
                    text=text if self._keep_texts else None,
                )
            )


class Cascade:
    """Asks the teacher where the student's best probability is below a threshold."""

    def __init__(self, teacher: Asked, below: float, registry: CollectorRegistry) -> None:
        self._teacher = teacher
        self._below = below
        self._seen = Counter(
            "compress_cascade_texts", "Texts that the student answered first.", registry=registry
        )
        self._handed_on = Counter(
            "compress_cascade_handed_on", "Of these, answered by the teacher.", registry=registry
        )
        self._seconds = Counter(
            "compress_cascade_seconds", "Spent by the teacher on them.", registry=registry
        )

    async def settle(self, texts: Sequence[Input], found: Answered, seconds: float | None) -> Answered:
        """The answers with the teacher's in place of doubtful ones, and its time added to theirs."""
        self._seen.inc(len(texts))
        doubtful = [place for place, answer in enumerate(found.answers) if answer.score < self._below]
        if not doubtful:
            return found
        second = await self._teacher.answer([texts[place] for place in doubtful], seconds)
        self._handed_on.inc(len(doubtful))
        self._seconds.inc(second.infer_s)
        answers = list(found.answers)
        for place, answer in zip(doubtful, second.answers, strict=True):
            answers[place] = _in_order(answer, found.answers[place])
        return replace(
            found,
            answers=answers,
            tokenize_s=found.tokenize_s + second.tokenize_s,
            queue_s=found.queue_s + second.queue_s,
            infer_s=found.infer_s + second.infer_s,
        )


def divergence(teacher: Answer, student: Answer) -> float:
    """Kullback-Leibler divergence of the student's probabilities from the teacher's, in nats."""
    return sum(
        probability * (log(probability + _SMALLEST) - log(student.probabilities[label] + _SMALLEST))
        for label, probability in teacher.probabilities.items()
    )


def check_one_label(student: Info, teacher: Answering) -> None:
    """Raise `UserError` where one of the two does not answer with one label for each text."""
    if not (student.answering.ONE_LABEL and teacher.ONE_LABEL):
        raise UserError(
            f"{student.name} answers {student.answering.TASK} ({student.answering.kind}), and a teacher beside it "
            f"({teacher.kind}) is compared and asked by the probability of one label",
            "two models that give each text one label",
            "leave --shadow or --cascade out; `compress verify` compares any two of a task",
        )


def check_labels(student: Sequence[str], teacher: Sequence[str]) -> None:
    """Raise `UserError` where the two do not answer with the same labels."""
    if set(student) != set(teacher):
        only = sorted(set(teacher) ^ set(student))[:5]
        raise UserError(
            f"the teacher's bundle has other labels than the student's: {', '.join(only)}",
            "the same labels, in any order",
            "give the bundle of this student's own teacher: compress export TEACHER --out FOLDER",
        )


def _in_order(answer: Answer, like: Answer) -> Answer:
    """The teacher's answer with its labels in the student's order."""
    assert isinstance(answer, Classification)  # `check_one_label`
    places = {label: place for place, label in enumerate(answer.probabilities)}
    labels = list(like.probabilities)
    return replace(
        answer,
        probabilities={label: answer.probabilities[label] for label in labels},
        logits=[answer.logits[places[label]] for label in labels] if len(answer.logits) else (),
    )
