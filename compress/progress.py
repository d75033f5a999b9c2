"""What a stage tells of its progress, without knowing who looks."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

Advance = Callable[[int], None]


class Progress(Protocol):
    """Where stages report to: the terminal, or nowhere."""

    def say(self, message: str) -> None:
        """One line for people."""
        ...

    def bar(self, title: str, total: int) -> AbstractContextManager[Advance]:
        """A bar with the time that is left; gives the function to move it with."""
        ...


class Silent:
    """Tells nobody."""

    def say(self, message: str) -> None:
        """Nothing."""

    @contextmanager
    def bar(self, title: str, total: int) -> Iterator[Advance]:  # noqa: ARG002
        """A bar that nobody sees."""
        yield lambda _: None
