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


def is_given(value: Any, column: str) -> bool:
    """What a cell of 0 and 1 says; raises `Fault` for what says neither."""
    told = str(value).strip().lower()
    if told in _YES or told in _NO:
        return told in _YES
    raise Fault(f"{value!r} in the column {column!r}", "0 or 1", "write 1 where a text has the label, else 0")
