"""The test rows that a bundle carries, with the answers that its teacher gave to them."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from serve.errors import BundleError
from serve.inputs import Input


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TeacherAnswer(_Strict):
    """What the teacher said about one row."""

    label: str
    probabilities: dict[str, float]


class Row(_Strict):
    """One line of `evaluation.jsonl`."""

    id: int
    text: str
    text_pair: str | None = None  # the second text, of a model that reads pairs
    label: str | None  # the right answer, where it is known
    teacher: TeacherAnswer

    @property
    def asked(self) -> Input:
        """What the models were asked: the text, or both."""
        return self.text if self.text_pair is None else (self.text, self.text_pair)


def read_rows(path: Path) -> list[Row]:
    """The rows of an `evaluation.jsonl`; none when there is no such file, for a bundle may leave it out.

    Raises `BundleError` for a line that is no such row.
    """
    if not path.is_file():
        return []
    rows = []
    with path.open(encoding="utf-8") as stream:
        for number, line in enumerate(stream, start=1):
            try:
                rows.append(Row.model_validate_json(line))
            except ValidationError as error:
                raise BundleError(
                    f"{path}, line {number}: {error.errors()[0]['msg']}",
                    "id, text, label and the teacher's answer in every line",
                    "make the bundle again with `compress run`",
                ) from None
    return rows
