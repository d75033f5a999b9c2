"""Waiting requests, answered together as soon as somebody is free.

Greedy: whoever is free takes what is waiting, up to a number of texts and of tokens, and never waits for more to
come, so that a lone request is answered at once. A model whose answers depend on their batch answers text by text
inside such a hop, and gains only the hops that are saved.

Admission is by one rule for single and batched requests, counted in texts and tokens. What is cancelled (its client
went away) or past its deadline is not computed.
"""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import ceil
from typing import Literal, Protocol

from serve.bundle import Batches
from serve.inputs import Input, characters
from serve.limits import Limits
from serve.refusal import Refusal
from serve.tasks import Answer, Tokens

_TOKENIZED_AT_ONCE = 4_000  # characters that are tokenised on the event loop, in well under a millisecond
_LONGEST_RETRY_S = 30


class Answerer(Protocol):
    """A runtime, in two steps."""

    def tokens(self, inputs: Sequence[Input]) -> list[Tokens]:
        """What is read of each text; raises `InputError`."""
        ...

    def answers_of(self, encodings: Sequence[Tokens]) -> list[Answer]:
        """One answer for each."""
        ...


class Meter(Protocol):
    """Whoever wants to know what was done together."""

    def hop(self, texts: int, tokens: int, seconds: float) -> None:
        """So much was answered in one go."""
        ...


@dataclass(frozen=True, slots=True)
class Answered:
    """A request's answers, and where its time went."""

    answers: list[Answer]
    tokenize_s: float
    queue_s: float
    infer_s: float
    together: int  # texts in the hop that answered it


@dataclass(slots=True, eq=False)
class _Job:
    encodings: list[Tokens]
    tokens: int
    loop: asyncio.AbstractEventLoop
    future: "asyncio.Future[Answered]"
    tokenize_s: float
    since: float
    deadline: float
    state: Literal["new", "queued", "taken"] = "new"
    result: Answered | Exception | None = None


@dataclass(frozen=True, slots=True)
class Caps:
    """How much is answered in one hop; at least one request is."""

    texts: int = 8
    tokens: int = 2_048

    @classmethod
    def of(cls, batches: Batches | None) -> "Caps":
        """What was measured for this bundle, or what is usual where nothing was."""
        return cls() if batches is None else cls(batches.texts, batches.tokens)


class Batcher:
    """A thread for each runtime; all take from one queue in the order in which requests came."""

    def __init__(
        self,
        runtimes: Sequence[Answerer],
        limits: Limits,
        caps: Caps | None = None,
        meter: Meter | None = None,
    ) -> None:
        self._runtimes = list(runtimes)
        self._limits = limits
        self._caps = caps or Caps()
        self._meter = meter
        self._queue: deque[_Job] = deque()
        self._ready = threading.Condition()
        self._texts, self._tokens = 0, 0  # admitted and not yet answered
        self._tokens_per_s = 0.0  # of late
        self._closed = False
        self._tokenizing = ThreadPoolExecutor(max_workers=1, thread_name_prefix="tokenize")
        self._threads = [
            threading.Thread(target=self._work, args=(runtime,), name=f"inference-{number}", daemon=True)
            for number, runtime in enumerate(self._runtimes)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def workers(self) -> int:
        """Runtimes that answer side by side."""
        return len(self._runtimes)

    @property
    def waiting(self) -> tuple[int, int]:
        """Texts and tokens that are admitted and not yet answered."""
        return self._texts, self._tokens

    async def answer(self, texts: Sequence[Input], seconds: float | None = None) -> Answered:
        """Answers in the order of the texts; raises `InputError`, and `Refusal` 413, 429, 503 or 504.

        `seconds` is the deadline of this request where it is shorter than the server's own.
        """
        start = time.perf_counter()
        self._admit(len(texts))
        job: _Job | None = None
        try:
            encodings = await self._tokenized(texts)
            now = time.perf_counter()
            tokens = sum(map(len, encodings))
            if tokens > self._limits.tokens:
                raise Refusal(
                    413,
                    "too_large",
                    f"{tokens} tokens in one request; at most {self._limits.tokens} are read.",
                )
            loop = asyncio.get_running_loop()
            job = _Job(
                encodings=encodings,
                tokens=tokens,
                loop=loop,
                future=loop.create_future(),
                tokenize_s=now - start,
                since=now,
                deadline=start + min(seconds or self._limits.seconds, self._limits.seconds),
            )
            self._enqueue(job)
            return await job.future
        except BaseException:
            self._withdraw(job, len(texts))
            raise

    def close(self) -> None:
        """Take nothing more, answer what was taken, and end the threads."""
        with self._ready:
            self._closed = True
            self._ready.notify_all()
        for thread in self._threads:
            thread.join()
        self._tokenizing.shutdown(wait=False)

    def _admit(self, texts: int) -> None:
        with self._ready:
            if self._closed:
                raise Refusal(503, "stopping", "The server is stopping. Ask another one.")
            if self._texts and self._texts + texts > self._limits.waiting_texts:
                raise self._overloaded()
            self._texts += texts

    def _enqueue(self, job: _Job) -> None:
        with self._ready:
            if self._tokens and self._tokens + job.tokens > self._limits.waiting_tokens:
                raise self._overloaded()
            self._tokens += job.tokens
            job.state = "queued"
            self._queue.append(job)
            self._ready.notify()

    def _overloaded(self) -> Refusal:
        wait_s = ceil(self._tokens / self._tokens_per_s) if self._tokens_per_s else 1
        wait_s = max(1, min(wait_s, _LONGEST_RETRY_S))
        return Refusal(
            429,
            "overloaded",
            f"{self._texts} texts are waiting already. Try again in {wait_s} second{'s' * (wait_s > 1)}.",
            retry_after_s=wait_s,
        )

    async def _tokenized(self, texts: Sequence[Input]) -> list[Tokens]:
        tokens = self._runtimes[0].tokens
        if sum(map(characters, texts)) <= _TOKENIZED_AT_ONCE:
            return tokens(texts)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._tokenizing, tokens, texts)

    def _withdraw(self, job: _Job | None, texts: int) -> None:
        """Give back what a request took that is not answered; once a thread has taken it, that thread does."""
        with self._ready:
            if job is not None and job.state == "queued":
                self._queue.remove(job)
                self._tokens -= job.tokens
            if job is None or job.state != "taken":
                self._texts -= texts

    def _release(self, texts: int, tokens: int) -> None:
        with self._ready:
            self._texts -= texts
            self._tokens -= tokens

    def _work(self, runtime: Answerer) -> None:
        while True:
            with self._ready:
                while not self._queue and not self._closed:
                    self._ready.wait()
                if not self._queue:
                    return
                jobs = self._take()
            self._do(runtime, jobs)

    def _take(self) -> list[_Job]:
        """The first request, and as many of the next as stay under the caps."""
        jobs: list[_Job] = []
        texts = tokens = 0
        while self._queue:
            first = self._queue[0]
            texts += len(first.encodings)
            tokens += first.tokens
            if jobs and (texts > self._caps.texts or tokens > self._caps.tokens):
                break
            first.state = "taken"
            jobs.append(self._queue.popleft())
        return jobs

    def _do(self, runtime: Answerer, jobs: Sequence[_Job]) -> None:
        start = time.perf_counter()
        wanted = []
        for job in jobs:
            if job.future.cancelled():
                continue
            if job.deadline <= start:
                job.result = Refusal(
                    504, "deadline", "The answer would have come after the request's deadline."
                )
            else:
                wanted.append(job)
        if wanted:
            self._answer(runtime, wanted, start)
        self._release(sum(len(job.encodings) for job in jobs), sum(job.tokens for job in jobs))
        for loop in {job.loop for job in jobs}:
            done = [job for job in jobs if job.loop is loop]
            try:
                loop.call_soon_threadsafe(_deliver, done)
            except RuntimeError:  # the loop was closed under us: nobody waits any more
                continue

    def _answer(self, runtime: Answerer, jobs: Sequence[_Job], start: float) -> None:
        encodings = [encoding for job in jobs for encoding in job.encodings]
        try:
            answers = runtime.answers_of(encodings)
        except Exception as error:  # noqa: BLE001  whatever it is, it belongs to the requests that caused it
            if len(jobs) == 1:
                jobs[0].result = error
                return
            for job in jobs:  # one of them must not fail the others
                self._answer(runtime, [job], start)
            return
        spent = time.perf_counter() - start
        tokens = sum(job.tokens for job in jobs)
        recent = tokens / max(spent, 1e-6)
        self._tokens_per_s = recent if not self._tokens_per_s else 0.9 * self._tokens_per_s + 0.1 * recent
        if self._meter is not None:
            self._meter.hop(len(encodings), tokens, spent)
        first = 0
        for job in jobs:
            own = answers[first : first + len(job.encodings)]
            first += len(job.encodings)
            job.result = Answered(own, job.tokenize_s, start - job.since, spent, len(encodings))


def _deliver(jobs: Sequence[_Job]) -> None:
    for job in jobs:
        if job.future.done():  # cancelled meanwhile
            continue
        if isinstance(job.result, Answered):
            job.future.set_result(job.result)
        elif job.result is not None:
            job.future.set_exception(job.result)
