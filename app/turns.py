"""Who may use the processor: whoever waits for an answer goes before work in the background, and nobody shares it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Turns:
    """One worker at a time, so that what is timed has no neighbour in this process."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._busy = False
        self._waiting = 0  # people, not background work

    @contextmanager
    def now(self) -> Iterator[None]:
        """The turn of somebody who waits: the next one."""
        with self._changed:
            self._waiting += 1
            self._changed.wait_for(lambda: not self._busy)
            self._waiting -= 1
            self._busy = True
        try:
            yield
        finally:
            self._end()

    @contextmanager
    def later(self) -> Iterator[None]:
        """The turn of work in the background: when nobody waits. Make it short, for it is not interrupted."""
        with self._changed:
            self._changed.wait_for(lambda: not self._busy and not self._waiting)
            self._busy = True
        try:
            yield
        finally:
            self._end()

    def _end(self) -> None:
        with self._changed:
            self._busy = False
            self._changed.notify_all()
