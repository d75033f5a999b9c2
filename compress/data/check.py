"""Preflight: what makes a data set useless is said before anything is trained on it."""

from collections.abc import Sequence

import numpy as np

from compress.data.rows import Rows
from compress.errors import DataError
from serve.inputs import Input, parts


def check_labels(splits: dict[str, Rows], names: tuple[str, ...] | None, *, declared: bool) -> list[str]:
    """Refuse one class only and labels that a split lacks; returns warnings.

    `declared` says that the recipe lists the labels itself, so that a test split without one of them is
    accepted (with a warning): nothing can be learned about a label that train lacks, so that is never.
    """
    present = {
        split: set(np.unique(rows.labels).tolist())
        for split, rows in splits.items()
        if rows.labels is not None
    }
    train = present["train"]
    if len(train) < 2:
        only = _name(next(iter(train)), names)
        raise DataError(
            f"every row of train has the same label, {only}",
            "at least two labels",
            "check data.columns.label, and whether the file was sorted and cut",
        )
    warnings = []
    for split, labels in present.items():
        if strange := sorted(labels - train):
            raise DataError(
                f"{split} has the label{'s' * (len(strange) > 1)} {_listed(strange, names)}, which train lacks",
                "labels that can be learned from train",
                "add rows of it to train, or take them out of " + split,
            )
        if split == "test" and (lacking := sorted(train - labels)):
            message = f"{split} has no row of {_listed(lacking, names)}, which train has"
            if not declared:
                raise DataError(
                    message,
                    "every label in every split, since nothing can be said about a label without rows",
                    "add rows, leave data.splits out so that splits are made, or list the labels in data.labels"
                    " to accept it",
                )
            warnings.append(message)
    return warnings


def duplicates_warning(seen: Sequence[Input], test: Rows) -> str | None:
    """One sentence with the count of test texts that stand among the texts that train and select, or None."""
    known = {plain(asked) for asked in seen}
    count = sum(plain(asked) in known for asked in test.texts)
    if not count:
        return None
    return f"{count} of {len(test):,} test texts stand in train too ({count / len(test):.1%}): scores are flattered"


def plain(asked: Input) -> tuple[str, ...]:
    """What two spellings of one text, or of one pair, have in common."""
    return tuple(text.strip().casefold() for text in parts(asked))


def _name(label: int, names: tuple[str, ...] | None) -> str:
    return names[label] if names else str(label)


def _listed(labels: list[int], names: tuple[str, ...] | None, most: int = 5) -> str:
    shown = ", ".join(_name(label, names) for label in labels[:most])
    return shown + (f", ... ({len(labels)} in all)" if len(labels) > most else "")
