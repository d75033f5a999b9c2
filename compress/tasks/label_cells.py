"""Several labels in one cell of a file: a list, a list as JSON, or 0 and 1 by the label's column."""

import json
from collections.abc import Mapping
from typing import Any

from compress.tasks.interface import Fault

_YES, _NO = {"1", "1.0", "true", "yes"}, {"0", "0.0", "false", "no", ""}


def cell_labels(cell: Any) -> list[Any]:
    """The names or numbers in the cell; raises `Fault` for what is neither."""
    if isinstance(cell, Mapping):
        return [column for column, value in cell.items() if is_given(value, str(column))]
    if isinstance(cell, str):
        try:
            cell = json.loads(cell)
        except ValueError:
            cell = None
    if not isinstance(cell, list):
        raise Fault(
            "labels that are no list",
            'a list of labels, in a csv file as JSON: ["joy", "love"], or a column of 0 and 1 for each label',
            "write a list, empty where a text has no label",
        )
    return cell


def ones_for(labels: list[Any], width: int) -> list[int] | None:
    """The places of the ones in a list that has 0 or 1 for each of so many labels; None for what is no such list.

    A list of label numbers names none twice, which tells it from 0 and 1 for each of three labels or more.
    """
    numbers = [one for one in labels if isinstance(one, bool | int | float) and one in (0, 1)]
    if len(labels) != width or len(numbers) != width or width < 2:
        return None
    tells = len({*numbers}) < width or not all(type(one) is int for one in numbers)
    return [place for place, one in enumerate(numbers) if one] if tells else None


def is_given(value: Any, column: str) -> bool:
    """What a cell of 0 and 1 says; raises `Fault` for what says neither."""
    told = str(value).strip().lower()
    if told in _YES or told in _NO:
        return told in _YES
    raise Fault(f"{value!r} in the column {column!r}", "0 or 1", "write 1 where a text has the label, else 0")
