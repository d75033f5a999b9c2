"""Finding the column of texts and the column of labels, and reading both as what they are."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

import datasets
import numpy as np
from numpy.typing import NDArray

from compress.data.names import LABEL_NAMES, PAIR_NAMES, TEXT_NAMES
from compress.errors import DataError
from compress.tasks.interface import Columns
from serve.encoding import check_text
from serve.errors import InputError
from serve.inputs import Input


@dataclass(frozen=True)
class ColumnNames:
    """The columns that a run reads."""

    text: str
    text_pair: str | None
    label: str | tuple[str, ...] | None  # several where each of several labels per text has a column


def find_columns(
    data: datasets.Dataset,
    text: str | None,
    label: str | Sequence[str] | None,
    *,
    text_pair: str | None = None,
    no_label: bool,
    text_names: Sequence[str] = (),
    label_names: Sequence[str] = (),
) -> ColumnNames:
    """The named columns, or those that the usual names and types point to.

    Two columns whose names are those of a pair (sentence1 and sentence2, premise and hypothesis, ...) are one, where
    the recipe names no text. `text_names` and `label_names` are looked for before all others.
    """
    names = list(data.column_names)
    if text is None:
        text = next((name for name in text_names if name in names), None)
    if text is None and text_pair is None:
        text, text_pair = next((pair for pair in PAIR_NAMES if set(pair) <= set(names)), (None, None))
    if text is None:
        text = next((name for name in TEXT_NAMES if name in names), None) or _only_text_column(data)
    if label is None and not no_label:
        label = next(
            (
                name
                for name in (*label_names, *LABEL_NAMES)
                if name in names and name not in (text, text_pair)
            ),
            None,
        )
    labels = [label] if isinstance(label, str) else [*(label or ())]
    for key, column in (("text", text), ("text_pair", text_pair), *(("label", one) for one in labels)):
        if column is not None and column not in names:
            near = difflib.get_close_matches(column, names, n=1)
            raise DataError(
                f"data.columns.{key} is {column!r}, and the data has the columns {', '.join(names)}",
                "the name of one of them",
                f"did you mean {near[0]!r}?" if near else f"set data.columns.{key}",
            )
    if text_pair == text:
        raise DataError(
            f"data.columns names {text!r} as text and as text_pair",
            "two columns",
            "leave text_pair out for single texts",
        )
    return ColumnNames(text, text_pair, label if label is None or isinstance(label, str) else tuple(label))


def one_label_column(columns: Columns) -> str:
    """The column of labels; raises `DataError` where the recipe names several."""
    if isinstance(columns.label, str):
        return columns.label
    raise DataError(
        f"data.columns.label names the columns {', '.join(columns.label or ())}",
        "one column, with one label in each row",
        "name one of them, or set problem_type: multi_label_classification for several labels per text",
    )


def has_lists(data: datasets.Dataset, names: Sequence[str]) -> bool:
    """Some column of one of these names holds a list in each row."""
    return any(isinstance(data.features.get(name), datasets.List | datasets.LargeList) for name in names)


def problem_type_of(data: datasets.Dataset, column: str) -> str | None:
    """What the labels are by their kind: lists, or numbers with a fraction; None for one label per text."""
    kind = data.features[column]
    if isinstance(kind, datasets.List | datasets.LargeList):
        return "multi_label_classification"
    is_float = isinstance(kind, datasets.Value) and kind.dtype.startswith("float")
    if is_float and any(value is not None and value != int(value) for value in data[column]):
        return "regression"
    return None


def _only_text_column(data: datasets.Dataset) -> str:
    texts: list[str] = [name for name, kind in data.features.items() if _is_string(kind)]
    if len(texts) == 1:
        return texts[0]
    raise DataError(
        f"the data has the columns {', '.join(data.column_names)}, and none is clearly the text",
        f"a column named {', '.join(TEXT_NAMES[:3])} or the like, or a single column of strings",
        "set data.columns.text",
    )


def _is_string(kind: object) -> bool:
    return isinstance(kind, datasets.Value) and kind.dtype in {"string", "large_string"}


def read_inputs(data: datasets.Dataset, columns: Columns, split: str) -> list[Input]:
    """The texts of one split, or the pairs; see `read_texts`."""
    first = read_texts(data, columns.text, split)
    if columns.text_pair is None:
        return list(first)
    return list(zip(first, read_texts(data, columns.text_pair, split), strict=True))


def read_texts(data: datasets.Dataset, column: str, split: str) -> list[str]:
    """The texts of one split; anything that is no text, and empty text, is refused with its row."""
    if column not in data.column_names:
        raise DataError(
            f"the split {split} has the columns {', '.join(data.column_names)}",
            f"the column {column!r}, which holds the texts of the other splits",
            "mend the file, or leave the split out with data.splits",
        )
    if len(data) == 0:
        raise DataError(f"the split {split} has no rows", "rows", "check how the file was written")
    kind = data.features[column]
    if not _is_string(kind):
        raise DataError(
            f"the column {column!r} of {split} holds {getattr(kind, 'dtype', type(kind).__name__)}, not text",
            "strings",
            "set data.columns.text to the column that holds the texts",
        )
    texts = list(data[column])
    bad = [row for row, text in enumerate(texts) if text is None or not text.strip()]
    if bad:
        raise DataError(
            f"{len(bad)} of {len(texts)} texts of {split} are empty (the first at row {bad[0] + 1})",
            "a text in every row",
            f"take those rows out, or set data.columns.text to another column than {column!r}",
        )
    for row, text in enumerate(texts):
        try:
            check_text(text)
        except InputError as error:
            found = f"row {row + 1} of {split} holds {error.found}"
            raise DataError(found, error.expected, error.remedy) from None
    return texts


def read_labels(data: datasets.Dataset, column: str, split: str) -> NDArray[np.int64] | list[str]:
    """The labels of one split: ids where the data has ids, names where it has names."""
    values = list(data[column])
    missing = [row for row, value in enumerate(values) if value is None or value == ""]
    if missing:
        raise DataError(
            f"{len(missing)} of {len(values)} labels of {split} are missing (the first at row {missing[0] + 1})",
            "a label in every row, or -1 in all of them",
            "fill them, or take those rows out",
        )
    first = values[0]
    if isinstance(first, str):
        return [str(value).strip() for value in values]
    if isinstance(first, bool):
        return ["true" if value else "false" for value in values]
    if isinstance(first, int | float):
        return _whole_numbers(values, column, split)
    raise DataError(
        f"the column {column!r} of {split} holds {type(first).__name__} values",
        "one label per row, as a name or a number",
        "set problem_type: multi_label_classification for lists of labels, or data.columns.label to another column",
    )


def _whole_numbers(values: Sequence[float], column: str, split: str) -> NDArray[np.int64]:
    numbers = np.asarray(values, dtype=np.float64)
    if not np.array_equal(numbers, np.floor(numbers)):
        broken = float(numbers[numbers != np.floor(numbers)][0])
        raise DataError(
            f"the column {column!r} of {split} holds {broken}",
            "labels: names or whole numbers",
            "set problem_type: regression to learn numbers, or data.columns.label to a column of labels",
        )
    return numbers.astype(np.int64)
