"""One inference at a time, off the event loop, with a bounded queue.

One at a time because ONNX Runtime already uses every core for one: two at once would each take twice as
long, and their spinning threads more than that. Bounded because a queue that only grows answers nobody
in time; the client that is told to come back can choose another server.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from serve.refusal import Refusal

Result = TypeVar("Result")


class Worker:
    """A single thread that does jobs in the order in which they came."""

    def __init__(self, waiting: int) -> None:
        self._capacity = waiting + 1  # the one that is being answered does not wait
        self._admitted = 0
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="inference")

    async def run(self, job: Callable[[], Result]) -> Result:
        """What `job` returns; raises `Refusal` 429 when too many wait already."""
        if self._admitted >= self._capacity:
            raise Refusal(429, "overloaded", "Too many requests are waiting. Try again in a second.")
        self._admitted += 1
        future = self._thread.submit(job)
        loop = asyncio.get_running_loop()
        future.add_done_callback(lambda done: self._release(loop, done))
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        """Let the running job end and the thread with it."""
        self._thread.shutdown(wait=True, cancel_futures=True)

    def _release(self, loop: asyncio.AbstractEventLoop, _done: "Future[Result]") -> None:
        # Counted when the job is over, not when its client is gone: the thread is busy until then. The
        # callback runs on that thread; the count belongs to the event loop.
        loop.call_soon_threadsafe(self._leave)

    def _leave(self) -> None:
        self._admitted -= 1
