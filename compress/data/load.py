"""One call from the recipe's `data:` to `Splits`."""

import difflib
from collections.abc import Mapping

import datasets

from compress.data.check import duplicates_warning
from compress.data.class_labels import read_alike
from compress.data.columns import ColumnNames, find_columns
from compress.data.read import read_label_names, read_raw
from compress.data.rows import Rows, Splits
from compress.data.stratify import cut, sample
from compress.errors import DataError
from compress.recipe import DataOptions, SplitNames
from compress.tasks import SINGLE_LABEL, Task
from compress.tasks.interface import Named, Raw

TEST_SHARE = 0.2
TEST_ROWS_AT_MOST = 5_000
SELECTION_SHARE = 0.1
SELECTION_ROWS_AT_MOST = 2_000
FEWEST_ROWS = 20

ALIASES = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev", "eval"),
    "test": ("test", "testing"),
}


def load_splits(options: DataOptions, seed: int, task: Task = SINGLE_LABEL) -> Splits:
    """Read, check, label and split; what was decided on the way stands in `Splits.notes`."""
    raw = read_raw(options.path, options.name, options.revision)
    task = task.reading(leaves_out=options.misplaced_answers == "leave_out")
    names = _parts(raw, options.splits)
    notes: list[str] = []
    columns = find_columns(
        raw[names["train"]],
        options.columns.text,
        options.columns.label,
        text_pair=options.columns.text_pair,
        text_names=task.text_columns,
        label_names=task.label_columns,
        no_label="label" in options.columns.model_fields_set and options.columns.label is None,
    )
    if columns.text_pair is not None:
        notes.append(f"pairs of texts: {columns.text} and {columns.text_pair}")
    texts = {part: task.read_inputs(raw[name], columns, name) for part, name in names.items()}
    alike = read_alike(raw, names.values(), columns.label) if isinstance(columns.label, str) else raw
    labels = _labels(alike, names, columns, notes, task)
    label_set = None
    if labels:
        feature = None if isinstance(columns.label, tuple) else raw[names["train"]].features[columns.label]
        own = columns.label if isinstance(columns.label, tuple) else ()
        known = Named(options.label_names, read_label_names(options.path), feature, own)
        label_set = task.label_space(known, labels)
    rows = {
        part: Rows(texts[part], label_set.ids(labels[part], names[part]) if label_set else None)
        for part in names
        if not labels or part in labels
    }
    for part, read in rows.items():
        rows[part] = task.kept(read)
        if left_out := len(read) - len(rows[part]):
            notes.append(f"{left_out:,} rows of {names[part]} are left out: their answers are misplaced")
    splits = _complete(rows, seed, notes)
    if options.max_train_rows is not None and options.max_train_rows < len(splits["train"]):
        notes.append(
            f"train: a stratified sample of {options.max_train_rows:,} of {len(splits['train']):,} rows"
        )
        splits["train"] = sample(splits["train"], options.max_train_rows, seed)
    if label_set:
        notes += task.check_labels(splits, label_set.names, declared=options.labels is not None)
    if warning := duplicates_warning([*splits["train"].texts, *splits["validation"].texts], splits["test"]):
        notes.append(warning)
    return Splits(
        splits["train"],
        splits["validation"],
        splits["test"],
        label_set.names if label_set else None,
        label_set.count if label_set else 0,
        tuple(notes),
    )


def _parts(raw: Mapping[str, datasets.Dataset], wanted: SplitNames) -> dict[str, str]:
    """Which split of the data plays which part; a part that the data lacks is left out."""
    parts: dict[str, str] = {}
    for part, aliases in ALIASES.items():
        name = getattr(wanted, part)
        if name is not None and name not in raw:
            near = difflib.get_close_matches(name, raw, n=1)
            raise DataError(
                f"data.splits.{part} is {name!r}, and the data has the splits {', '.join(raw)}",
                "the name of one of them",
                f"did you mean {near[0]!r}?"
                if near
                else "leave data.splits out to have splits found or made",
            )
        name = name or next((alias for alias in aliases if alias in raw), None)
        if name is not None:
            parts[part] = name
    if "train" not in parts and len(raw) == 1:
        parts["train"] = next(iter(raw))
    if "train" not in parts:
        raise DataError(
            f"the data has the splits {', '.join(raw)}, and none is called train",
            "a split to learn from",
            f"name it, for example data.splits: {{train: {next(iter(raw))}}}",
        )
    if parts.get("validation") == parts.get("test") and wanted.validation is None:
        parts.pop("validation", None)  # the reported rows never select
    if len(set(parts.values())) != len(parts):
        raise DataError(
            f"data.splits gives one split two parts: {parts}",
            "different splits for train, validation and test",
            "leave validation out: it is carved from train",
        )
    return parts


def _labels(
    raw: Mapping[str, datasets.Dataset],
    names: dict[str, str],
    columns: ColumnNames,
    notes: list[str],
    task: Task,
) -> dict[str, Raw]:
    """The labels by part; a split whose labels are all -1 counts as unlabelled and is left out."""
    if columns.label is None:
        others = [
            name for name in raw[names["train"]].column_names if name not in (columns.text, columns.text_pair)
        ]
        notes.append(
            "the data has no labels"
            + (f" (columns that are not read: {', '.join(others)})" if others else "")
            + ": distilled from the teacher alone and judged by agreement with it"
        )
        return {}
    labels: dict[str, Raw] = {}
    wanted = [columns.label] if isinstance(columns.label, str) else list(columns.label)
    for part, name in names.items():
        if absent := [column for column in wanted if column not in raw[name].column_names]:
            notes.append(f"the split {name} has no column {absent[0]!r} and is left out")
            continue
        values = task.read_labels(raw[name], columns, name)
        if task.is_unlabelled(values):
            notes.append(f"the split {name} is unlabelled ({task.unlabelled_means}) and is left out")
        else:
            labels[part] = values
    if "train" not in labels:
        raise DataError(
            f"the split {names['train']} is unlabelled ({task.unlabelled_means})",
            "labels to learn from, or a recipe that asks for none",
            "set data.columns.label: null to distil from the teacher alone",
        )
    return labels


def _complete(rows: dict[str, Rows], seed: int, notes: list[str]) -> dict[str, Rows]:
    """Make what is missing: test from validation or train, validation from train."""
    rows = dict(rows)
    if len(rows["train"]) < FEWEST_ROWS:
        raise DataError(f"train has {len(rows['train'])} rows", f"at least {FEWEST_ROWS}", "add rows")
    if "test" not in rows and "validation" in rows:
        rows["test"] = rows.pop("validation")
        notes.append(f"no test split: the {len(rows['test']):,} validation rows are the reported ones")
    if "test" not in rows:
        count = min(round(len(rows["train"]) * TEST_SHARE), TEST_ROWS_AT_MOST)
        rows["train"], rows["test"] = cut(rows["train"], count, seed)
        notes.append(
            f"no test split: {len(rows['test']):,} rows set apart from train, stratified, seed {seed}"
        )
    if "validation" in rows:
        notes.append(
            f"checkpoints are selected on the data's own {len(rows['validation']):,} validation rows"
        )
    else:
        count = min(round(len(rows["train"]) * SELECTION_SHARE), SELECTION_ROWS_AT_MOST)
        rows["train"], rows["validation"] = cut(rows["train"], count, seed)
        notes.append(
            f"checkpoints are selected on {len(rows['validation']):,} rows carved from train, seed {seed}"
        )
    return rows
