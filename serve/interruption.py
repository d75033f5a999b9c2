"""A task that waits is told to stop waiting, by a timer or by whoever sees the client go."""

import asyncio


class Interruption:
    """Cancels the task that made it, and owns up to it.

    `asyncio.timeout` does as much for one reason; this is made for every request, and costs a sixth of it.
    """

    def __init__(self) -> None:
        self._has_happened = False
        self._task = asyncio.current_task()

    def __call__(self) -> None:
        """Interrupt it."""
        assert self._task is not None
        self._has_happened = True
        self._task.cancel()

    def was_it(self) -> bool:
        """Asked by who catches `CancelledError`: whether this was the cause, and nobody else wants the task to end."""
        if not self._has_happened:
            return False
        assert self._task is not None
        return self._task.uncancel() == 0
