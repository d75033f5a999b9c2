"""A teacher without its model: it repeats the answers that it gave to the bundle's test rows."""

from collections.abc import Sequence

from app.rows import Row
from app.tasks import Task, default_task
from serve.errors import InputError
from serve.inputs import Input, changed
from serve.tasks import Answer


class StoredTeacher:
    """A `serve.predictor.Predictor` that knows the stored rows and nothing else."""

    def __init__(self, rows: Sequence[Row], task: Task | None = None) -> None:
        self._task = task or default_task()
        self._answers = {same(row.asked): row for row in rows}

    def knows(self, asked: Input) -> bool:
        """Whether the teacher's answer to this was stored; spaces around a text do not count."""
        return same(asked) in self._answers

    def predict(self, inputs: Sequence[Input]) -> list[Answer]:
        """The stored answers; raises `InputError` for a text that has none."""
        found: list[Answer] = []
        for asked in inputs:
            stored = self._answers.get(same(asked))
            if stored is None:
                raise InputError(
                    "a text that is not among the stored rows",
                    "a text that the teacher was asked when the bundle was made",
                    "give the demo the teacher's model: --teacher MODEL",
                )
            found.append(self._task.moved(stored.teacher, stored.asked, asked))
        return found


def same(asked: Input) -> Input:
    """What is alike for everything that is asked with other spaces around it."""
    return changed(asked, str.strip)
