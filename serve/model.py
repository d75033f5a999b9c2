"""One served model: its bundle, the runtimes that answer, and the queue in front of them.

A new version takes the place of the old one between two requests; the old one answers what it took.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

from serve import tracing
from serve.batcher import Answered, Answerer, Batcher, Caps
from serve.info import Info
from serve.inputs import Input
from serve.metrics import Metrics, ModelMeter
from serve.teacher import Cascade, Shadow


@dataclass
class Counts:
    """What one model did since it was started, as `/v2/models/.../stats` tells it."""

    requests: int = 0
    failures: int = 0
    texts: int = 0
    last_ms: int = 0  # since 1970
    tokenize_s: float = 0.0
    queue_s: float = 0.0
    infer_s: float = 0.0

    @property
    def whole_s(self) -> float:
        """Tokenising, waiting and answering."""
        return self.tokenize_s + self.queue_s + self.infer_s

    def add(self, found: Answered) -> None:
        """One more request."""
        self.requests += 1
        self.texts += len(found.answers)
        self.last_ms = int(1000 * time.time())
        self.tokenize_s += found.tokenize_s
        self.queue_s += found.queue_s
        self.infer_s += found.infer_s

    @staticmethod
    def ns(seconds: float) -> int:
        """In nanoseconds."""
        return int(1e9 * seconds)


@dataclass(frozen=True)
class Loaded:
    """A version of a model, ready to answer."""

    info: Info
    batcher: Batcher


class Model:
    """What answers under one name."""

    def __init__(
        self, info: Info, runtimes: Sequence[Answerer], metrics: Metrics, caps: Caps | None = None
    ) -> None:
        self.name = info.name
        self.counts = Counts()
        self.shadow: Shadow | None = None
        self.cascade: Cascade | None = None
        self._metrics = metrics
        self._meter = ModelMeter(metrics, info.name)
        self._loaded = self._load(info, runtimes, caps)
        self._meter.look_at(lambda: self._loaded.batcher.waiting)

    @property
    def info(self) -> Info:
        """Of the version that answers now."""
        return self._loaded.info

    @property
    def workers(self) -> int:
        """Runtimes that answer side by side."""
        return self._loaded.batcher.workers

    async def answer(self, texts: Sequence[Input], seconds: float | None = None) -> Answered:
        """Answers in the order of the texts, with the teacher's help where it has one; raises as `Batcher.answer`."""
        try:
            found = await self._loaded.batcher.answer(texts, seconds)
        except Exception:
            self.counts.failures += 1
            raise
        # Counted when this task waits again: then the answer is on its way already.
        asyncio.get_running_loop().call_soon(self._count, found)
        tracing.note(self.name, found)
        if self.cascade is not None:
            found = await self.cascade.settle(texts, found, seconds)
        elif self.shadow is not None:
            self.shadow.look(texts, found.answers)
        return found

    async def swap(self, info: Info, runtimes: Sequence[Answerer], caps: Caps | None = None) -> None:
        """From now on these answer; returns when the ones before have answered what they took."""
        before = self._loaded
        self._loaded = self._load(info, runtimes, caps)
        await asyncio.to_thread(before.batcher.close)

    def close(self) -> None:
        """Answer what was taken, and end."""
        self._loaded.batcher.close()

    def _count(self, found: Answered) -> None:
        self.counts.add(found)
        self._meter.answered(found)

    def _load(self, info: Info, runtimes: Sequence[Answerer], caps: Caps | None) -> Loaded:
        told = {"sha256": info.bundle_sha256, "precision": info.precision, "verdict": info.verdict}
        self._metrics.bundle.labels(self.name).info(told)
        return Loaded(info, Batcher(runtimes, info.limits, caps or Caps.of(info.batches), self._meter))
