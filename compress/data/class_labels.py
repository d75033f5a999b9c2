"""Columns of `datasets.ClassLabel`: numbers whose names each split says for itself, maybe in an order of its own."""

from collections.abc import Iterable, Mapping
from typing import Any

import datasets

UNLABELLED = -1  # what splits hold whose labels are not published


def class_names(feature: object) -> tuple[str, ...] | None:
    """The names that a column's numbers have, of lists of numbers as well; None where it says none."""
    inside = getattr(feature, "feature", feature)
    return tuple(inside.names) if isinstance(inside, datasets.ClassLabel) else None


def read_alike(
    raw: Mapping[str, datasets.Dataset], splits: Iterable[str], column: str
) -> dict[str, datasets.Dataset]:
    """The splits with names in the place of numbers where the splits do not number the same labels alike.

    So too where one of them has names in the first place. What says no names stays as it is, and so does what has no
    such column or no labels.
    """
    found = dict(raw)
    named: dict[str, tuple[str, ...]] = {}
    plain = False
    for split in splits:
        feature = raw[split].features.get(column)
        names = class_names(feature)
        if names is not None and not _is_unlabelled(raw[split][column]):
            named[split] = names
        plain |= getattr(getattr(feature, "feature", feature), "dtype", "") in {"string", "large_string"}
    if len({*named.values()}) > 1 or (named and plain):
        for split in named:
            found[split] = with_names(raw[split], column)
    return found


def with_names(data: datasets.Dataset, column: str) -> datasets.Dataset:
    """The data with the names that the column's numbers have; a number without a name is its own."""
    feature = data.features[column]
    names = class_names(feature)
    if names is None:
        return data

    def named(cell: Any) -> Any:
        if isinstance(cell, list):
            return [named(one) for one in cell]
        if cell is None:
            return None
        return names[cell] if 0 <= cell < len(names) else str(cell)

    text = datasets.Value("string")
    kind = text if isinstance(feature, datasets.ClassLabel) else datasets.List(text)
    values = [named(cell) for cell in data[column]]
    return data.remove_columns(column).add_column(column, values, feature=kind)


def _is_unlabelled(values: Iterable[Any]) -> bool:
    return all(one == UNLABELLED for cell in values for one in (cell if isinstance(cell, list) else [cell]))
