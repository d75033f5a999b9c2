"""Several labels per text in a data set: read, gathered, checked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import datasets
import numpy as np

from compress.data.rows import Rows
from compress.errors import DataError
from compress.tasks.interface import Columns, Fault, Labels, Named
from compress.tasks.label_cells import cell_labels, is_given, ones_for

UNLABELLED = -1  # what splits hold whose labels are not published


@dataclass(frozen=True)
class RawSets:
    """One split as it was read."""

    rows: list[list[Any]]  # of each row its labels: names, or numbers
    width: int | None = None  # how many labels there are, where each row said so with 0 or 1 for every one

    @property
    def is_unlabelled(self) -> bool:
        """Nothing but -1 stands in it."""
        return all(row and {*row} == {UNLABELLED} for row in self.rows)


@dataclass(frozen=True)
class LabelSets:
    """The labels of a data set. `names` is None where nothing names them."""

    names: tuple[str, ...] | None
    count: int

    def ids(self, raw: RawSets, split: str) -> Labels:
        """0 or 1, float32 (rows, labels)."""
        place = {name: number for number, name in enumerate(self.names or ())}
        by_name = any(isinstance(label, str) for labels in raw.rows for label in labels)
        found = np.zeros((len(raw.rows), self.count), dtype=np.float32)
        if raw.width not in (None, self.count):
            raise DataError(
                f"each row of {split} has 0 or 1 for {raw.width} labels, and there are {self.count}: "
                + _listed(self.names or range(self.count)),
                "as many in each row as there are labels",
                "list every label in data.labels, in the order of the rows",
            )
        for row, labels in enumerate(raw.rows):
            for label in labels:
                number = self._number(str(label).strip(), place) if by_name else label
                if number is None or not 0 <= number < self.count:
                    raise DataError(
                        f"row {row + 1} of {split} has the label {label!r}",
                        f"one of {_listed(self.names or range(self.count))}",
                        "mend the labels, or list every label in data.labels",
                    )
                found[row, number] = 1
        return found

    def _number(self, label: str, place: Mapping[str, int]) -> int | None:
        """By name; a string of digits is a number where no name is one."""
        if label not in place and label.isascii() and label.isdigit() and not any(map(str.isdigit, place)):
            return int(label)
        return place.get(label)


def read_label_sets(data: datasets.Dataset, columns: Columns, split: str) -> RawSets:
    """The labels of each row of one split: of a column of lists, or the names of the columns that hold 1.

    Lists of one length that hold 0 or 1 for each label become the numbers of those with 1.
    """
    if isinstance(columns.label, tuple):
        return _of_columns(data, columns.label, split)
    assert columns.label is not None
    found: list[list[Any]] = []
    for cell in data[columns.label]:
        row = len(found) + 1
        try:
            labels = cell_labels(cell)
        except Fault as fault:
            raise DataError(
                f"row {row} of {split} holds {cell!r} in the column {columns.label!r}: {fault.found}",
                fault.expected,
                "set data.columns.label to the column of lists, or to the list of columns of 0 and 1",
            ) from None
        found.append(labels)
    return _as_ones(found) or _checked(found, split)


def _as_ones(rows: list[list[Any]]) -> RawSets | None:
    """The numbers of the ones, where every row has 0 or 1 for each label and some row tells it from numbers."""
    width = len(rows[0])
    ones = [ones_for(row, width) for row in rows]
    alike = all(len(row) == width and {*row} <= {0, 1} for row in rows)
    if not alike or all(one is None for one in ones):
        return None
    return RawSets([[place for place, value in enumerate(row) if value] for row in rows], width)


def _checked(rows: list[list[Any]], split: str) -> RawSets:
    """Names, or whole numbers."""
    for number, labels in enumerate(rows, start=1):
        wrong = [one for one in labels if isinstance(one, bool) or not isinstance(one, int | str)]
        if wrong:
            raise DataError(
                f"row {number} of {split} has {wrong[0]!r} among its labels",
                "names of labels, their numbers, or in every row 0 or 1 for each label",
                "mend the row",
            )
    return RawSets(rows)


def _of_columns(data: datasets.Dataset, columns: Sequence[str], split: str) -> RawSets:
    found: list[list[Any]] = [[] for _ in range(len(data))]
    for column in columns:
        for row, value in enumerate(data[column]):
            try:
                if value == UNLABELLED:
                    found[row].append(UNLABELLED)
                elif is_given(value, column):
                    found[row].append(column)
            except Fault as fault:
                raise DataError(
                    f"row {row + 1} of {split} holds {fault.found}", fault.expected, str(fault.remedy)
                ) from None
    return RawSets(found)


def gather_label_sets(named: Named, raw: Mapping[str, RawSets]) -> LabelSets:
    """The labels: names from the recipe, else the data's own, else `labels.json`, else those that train has."""
    inside = getattr(named.feature, "feature", None)
    from_feature = tuple(inside.names) if isinstance(inside, datasets.ClassLabel) else None
    names = named.recipe or from_feature or named.file or named.columns or None
    if names is not None:
        return LabelSets(tuple(names), len(names))
    widths = {part.width for part in raw.values()} - {None}
    if widths:
        return LabelSets(None, max(one for one in widths if one is not None))
    found = {label for part in raw.values() for labels in part.rows for label in labels}
    if not found:
        raise DataError("no row has any label", "lists of labels", "check data.columns.label")
    if any(isinstance(label, str) for label in found):
        found_names = tuple(sorted({str(label).strip() for label in found}))
        return LabelSets(found_names, len(found_names))
    numbers = sorted(found)
    if numbers[0] < 0 or numbers != list(range(numbers[-1] + 1)):
        raise DataError(
            f"the label numbers of the data are {_listed(numbers)}",
            "numbers from 0 without gaps, or names",
            "name every label in data.labels, or number the labels from 0",
        )
    return LabelSets(None, len(numbers))


def check_label_sets(parts: Mapping[str, Rows], names: tuple[str, ...] | None) -> list[str]:
    """Refuse labels that no row of train has, and data in which every row has the same; returns warnings."""
    train = parts["train"].labels
    assert train is not None

    def told(places: Sequence[int]) -> str:
        return _listed([names[place] if names else place for place in places])

    if always := np.flatnonzero(train.mean(axis=0) == 1).tolist():
        raise DataError(
            f"every row of train has the label{'s' * (len(always) > 1)} {told(always)}",
            "labels that some texts have and others have not",
            "leave it out of the data",
        )
    never, notes = train.sum(axis=0) == 0, []
    for part, rows in parts.items():
        if rows.labels is None:
            continue
        absent = rows.labels.sum(axis=0) == 0
        if strange := np.flatnonzero(never & ~absent).tolist():
            raise DataError(
                f"{part} has the label{'s' * (len(strange) > 1)} {told(strange)}, which train lacks",
                "labels that can be learned from train",
                f"add rows of it to train, or take them out of {part}",
            )
        if lacking := np.flatnonzero(absent).tolist():
            notes.append(
                f"{part} has no row of {told(lacking)}: nothing can be learnt or said about it there"
            )
    return notes


def _listed(names: Sequence[object], most: int = 8) -> str:
    shown = ", ".join(map(str, names[:most]))
    return shown + (f", ... ({len(names)} in all)" if len(names) > most else "")
