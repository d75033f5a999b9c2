"""The test rows that a bundle carries, with the answers that its teacher gave to them."""

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from app.rows import Row
from app.tasks import Task, default_task
from serve.errors import BundleError


class _Line(BaseModel):
    """What every task writes; what stands under `label` and `teacher`, the task reads."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: int
    text: str
    text_pair: str | None = None
    label: Any = ...
    teacher: dict[str, Any]


def read_rows(path: Path, task: Task | None = None) -> list[Row]:
    """The rows of an `evaluation.jsonl`; none when there is no such file, for a bundle may leave it out.

    Of text classification with one label unless a `task` is given. Raises `BundleError` for a line that is no row
    of it.
    """
    if not path.is_file():
        return []
    known = task or default_task()
    rows = []
    with path.open(encoding="utf-8") as stream:
        for number, line in enumerate(stream, start=1):
            try:
                found = _Line.model_validate_json(line)
                asked = found.text if found.text_pair is None else (found.text, found.text_pair)
                teacher = known.read_answer(asked, found.teacher)
                rows.append(Row(found.id, found.text, found.label, teacher, found.text_pair))
            except ValidationError as error:
                raise _bad(path, number, error.errors()[0]["msg"]) from None
            except (KeyError, TypeError, ValueError):
                raise _bad(path, number, "an answer of the teacher that cannot be read") from None
    return known.arranged(rows)


def _bad(path: Path, number: int, found: str) -> BundleError:
    return BundleError(
        f"{path}, line {number}: {found}",
        "id, text, label and the teacher's answer in every line",
        "make the bundle again with `compress run`",
    )
