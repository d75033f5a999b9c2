"""Ctrl-C that is not lost.

Python raises KeyboardInterrupt wherever the main thread happens to be, and where that is a destructor or a
library's callback the exception is printed or swallowed, and hours of training go on. So it is also noted,
and every training step asks for it.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_asked = threading.Event()


@contextmanager
def noted_interrupts() -> Iterator[None]:
    """Within, an interrupt is raised as ever, and `stop_if_asked` raises it again should it have been lost.

    Does nothing outside of the main thread, where Python takes no signals.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, _note)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        _asked.clear()


def stop_if_asked() -> None:
    """Raises KeyboardInterrupt where one came and was lost."""
    if _asked.is_set():
        raise KeyboardInterrupt


def _note(number: int, frame: FrameType | None) -> None:
    _asked.set()
    signal.default_int_handler(number, frame)
