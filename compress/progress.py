"""What a stage tells of its progress, without knowing who looks."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

Advance = Callable[[int], None]


class Progress(Protocol):
    """Where stages report to: the terminal, or nowhere."""

    def say(self, message: str) -> None:
        """One line for people."""
        ...

    def bar(self, title: str, total: int) -> "ProgressBar":
        """A bar with the time that is left."""
        ...


class ProgressBar(Protocol):
    """A context manager that gives the function to move the bar with."""

    def __enter__(self) -> Advance: ...

    def __exit__(self, *exception: object) -> bool | None: ...


class Silent:
    """Tells nobody."""

    def say(self, message: str) -> None:
        """Nothing."""

    @contextmanager
    def bar(self, title: str, total: int) -> Iterator[Advance]:  # noqa: ARG002
        """A bar that nobody sees."""
        yield lambda _: None
