"""`data.generalization`: further labelled files, which are reported beside the test rows and never learnt from."""

from compress.data.check import plain
from compress.data.class_labels import class_names, with_names
from compress.data.columns import find_columns
from compress.data.read import read_raw
from compress.data.rows import Rows, Splits
from compress.errors import DataError, SeveralMistakesError
from compress.recipe import DataOptions
from compress.tasks import SINGLE_LABEL, Task


def load_generalization(options: DataOptions, splits: Splits, task: Task = SINGLE_LABEL) -> dict[str, Rows]:
    """The rows of each file by its name in the recipe; label ids are the data's own.

    Columns are those of `data.columns`, or found. Without labels in the data none are read. Raises `DataError`
    for what is no such file, `SeveralMistakesError` for several.
    """
    found: dict[str, Rows] = {}
    faults: list[DataError] = []
    for name, path in (options.generalization or {}).items():
        try:
            found[name] = _read(name, path, options, splits, task)
        except DataError as error:
            faults.append(
                DataError(f"data.generalization.{name}: {error.found}", error.expected, error.remedy)
            )
    if faults:
        raise faults[0] if len(faults) == 1 else SeveralMistakesError(faults)
    return found


def overlaps(files: dict[str, Rows], splits: Splits) -> list[str]:
    """A sentence for each file of which texts stand among those that train and select."""
    known = {plain(asked) for rows in (splits.train, splits.validation) for asked in rows.texts}
    notes = []
    for name, rows in files.items():
        if count := sum(plain(asked) in known for asked in rows.texts):
            notes.append(
                f"{count:,} of {len(rows):,} texts of data.generalization.{name} stand in train too: "
                "scores are flattered"
            )
    return notes


def _read(name: str, path: str, options: DataOptions, splits: Splits, task: Task) -> Rows:
    raw = read_raw(path, None, None)
    if len(raw) != 1:
        raise DataError(
            f"{path} has the splits {', '.join(raw)}",
            "one file, or a folder with one",
            "name the file itself",
        )
    (data,) = raw.values()
    task = task.reading(leaves_out=options.misplaced_answers == "leave_out")
    columns = find_columns(
        data,
        options.columns.text,
        options.columns.label,
        text_pair=options.columns.text_pair,
        text_names=task.text_columns,
        label_names=task.label_columns,
        no_label=not splits.is_labelled,
    )
    texts = task.read_inputs(data, columns, name)
    if not splits.is_labelled:
        return Rows(texts, None)
    if columns.label is None:
        raise DataError(
            f"{path} has the columns {', '.join(data.column_names)}, and none is a label",
            "a label in every row, as in the data",
            "name the column as it is named in the data, or take the file out",
        )
    if isinstance(columns.label, str):
        known = class_names(data.features[columns.label])
        if known is not None and {*known} <= {*(splits.label_names or ())}:
            data = with_names(data, columns.label)  # it may number them in another order
    labels = task.read_labels(data, columns, name)
    return task.kept(
        Rows(texts, task.known_space(labels, splits.label_names, splits.label_count).ids(labels, name))
    )
