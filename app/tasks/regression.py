"""A number for a text, or for a pair of texts that are read together."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from app.rows import Row
from app.tasks.numbers import Numbers
from app.views.scale import Scale
from serve.inputs import Input
from serve.tasks import Answer, Answering, Rating
from serve.tasks import Regression as Answers

TOLERANCE = 0.05  # of the range of the labels, as the verdict has it


class Regression(Numbers):
    """Numbers on the scale of the labels."""

    name: ClassVar[str] = "text-classification"
    number: ClassVar[str] = "number"
    agreement_means: ClassVar[str] = f"within {TOLERANCE:.0%} of the scale from the teacher's number"

    def __init__(self, answering: Answering, labels: Sequence[str]) -> None:
        super().__init__(answering, labels)
        assert isinstance(answering, Answers)
        known = answering.low is not None and answering.high is not None
        self._scale = Scale(answering.low or 0.0, answering.high or 0.0) if known else None

    @property
    def scale(self) -> Scale:
        """The range of the labels; of the teacher's numbers where the model does not say it."""
        return self._scale or Scale(0.0, 1.0)

    @property
    def within(self) -> float:
        """See `Numbers`."""
        return TOLERANCE * self.scale.width

    @property
    def same(self) -> str:  # type: ignore[override]  # elsewhere it is the same for every bundle
        """See `Task`."""
        return f"Numbers within {self.limit} of each other"

    def read_answer(self, asked: Input, told: Mapping[str, Any]) -> Answer:
        """See `Task`."""
        return Rating(self.labels[0] if self.labels else "", float(told["score"]), tokens=0, truncated=False)

    def arranged(self, rows: list[Row]) -> list[Row]:
        """The rows as they are; by their numbers the scale is known, where the model does not say it."""
        if rows and self._scale is None:
            numbers = [row.teacher.score for row in rows]
            self._scale = Scale(min(numbers), max(numbers))
        return rows

    def told(self, answer: Answer) -> dict[str, Any]:
        """The number."""
        return {"score": answer.score}
