"""The terminal: progress and messages on stderr, results on stdout."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress

from compress.progress import Advance


class Terminal:
    """Shows bars and lines to a person; a `compress.progress.Progress`."""

    def __init__(self) -> None:
        self.console = Console(stderr=True, highlight=False)

    def say(self, message: str) -> None:
        """One line."""
        self.console.print(message, markup=False)

    @contextmanager
    def bar(self, title: str, total: int) -> Iterator[Advance]:
        """A bar with the steps, the time gone and the time left; a line alone where nobody watches."""
        if not self.console.is_terminal:
            self.say(f"{title} ...")
            yield lambda _: None
            return
        columns = (
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
        )
        with RichProgress(*columns, console=self.console) as progress:
            task = progress.add_task(f"{title:<26}", total=total)
            yield lambda count: progress.advance(task, count)
