"""A teacher without its model: it repeats the answers that it gave to the bundle's test rows."""

from collections.abc import Sequence

from app.evaluation import Row
from serve.errors import InputError
from serve.tasks import Answer, Classification


class StoredTeacher:
    """A `serve.predictor.Predictor` that knows the stored rows and nothing else."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self._answers = {row.text.strip(): row.teacher for row in rows}

    def knows(self, text: str) -> bool:
        """Whether the teacher's answer to this text was stored; spaces around it do not count."""
        return text.strip() in self._answers

    def predict(self, inputs: Sequence[str]) -> list[Answer]:
        """The stored answers; raises `InputError` for a text that has none."""
        found: list[Answer] = []
        for text in inputs:
            stored = self._answers.get(text.strip())
            if stored is None:
                raise InputError(
                    "a text that is not among the stored rows",
                    "a text that the teacher was asked when the bundle was made",
                    "give the demo the teacher's model: --teacher MODEL",
                )
            found.append(Classification(stored.label, dict(stored.probabilities), tokens=0, truncated=False))
        return found
