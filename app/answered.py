"""The test rows with both answers: the teacher's as it was stored, the student's computed here, in the background.

A page with thousands of rows opens at once: nothing is computed before somebody looks, and what is done can be
read while the rest goes on.
"""

import threading
from collections.abc import Sequence

from app.rows import Both, Row
from app.tasks import Task, default_task
from app.turns import Turns
from serve.errors import UserError
from serve.predictor import Predictor

_AT_ONCE = 8  # rows in a turn: whoever waits for an answer waits for so many at most


class AnsweredRows:
    """The rows of a bundle while the student answers them; may be read from any thread."""

    def __init__(
        self,
        rows: Sequence[Row],
        student: Predictor,
        turns: Turns | None = None,
        task: Task | None = None,
    ) -> None:
        self.rows = tuple(rows)
        self.failure: str | None = None  # why the student could not answer them all
        self._by_id = {row.id: row for row in rows}
        self._student = student
        self._turns = turns or Turns()
        self._task = task or default_task()
        self._done: list[Both] = []  # grows in the order of the rows
        self._worker = threading.Thread(target=self._work, name="test rows", daemon=True)
        self._begun = threading.Lock()
        self._stopped = threading.Event()

    def begin(self) -> None:
        """Let the student answer from now on, if it does not yet; returns at once."""
        if self._begun.acquire(blocking=False):
            self._worker.start()

    def finish(self, seconds: float | None = None) -> None:
        """Return when all rows are answered, or after so many seconds."""
        self.begin()
        self._worker.join(seconds)

    def stop(self) -> None:
        """Answer no more rows; returns when that is so."""
        self._stopped.set()
        if self._worker.is_alive():
            self._worker.join()

    @property
    def done(self) -> Sequence[Both]:
        """The rows that are answered by now, in the bundle's order."""
        return self._done[: len(self._done)]

    @property
    def is_complete(self) -> bool:
        """Whether no more will come."""
        return self.failure is not None or len(self._done) == len(self.rows)

    def row(self, number: object) -> Row | None:
        """The row of this id; None for what is no id."""
        return self._by_id.get(number) if isinstance(number, int) else None

    def _work(self) -> None:
        for start in range(0, len(self.rows), _AT_ONCE):
            if self._stopped.is_set():
                return
            some = self.rows[start : start + _AT_ONCE]
            try:
                with self._turns.later():
                    answers = self._student.predict([row.asked for row in some])
            except UserError as error:
                self.failure = f"Found {error.found}; expected {error.expected}."
                return
            self._done += [self._task.both(row, answer) for row, answer in zip(some, answers, strict=True)]
