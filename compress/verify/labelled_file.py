"""`compress verify --data`: a file of other rows, read without the training stack."""

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from compress.data.names import LABEL_NAMES, PAIR_NAMES, TEXT_NAMES
from compress.tasks import SINGLE_LABEL, Fault, Task
from compress.verify.evidence import Evidence, evaluation_rows
from serve.encoding import check_text
from serve.errors import InputError
from serve.inputs import Input
from serve.text_encoding import how_to_convert, wide_encoding

_SEPARATORS = {".csv": ",", ".tsv": "\t"}
_KNOWN = "csv, tsv or jsonl"
_JOINED = "\0labels"  # no column of a file is called so


def read_labelled_file(
    path: Path,
    labels: Sequence[str],
    recipe: Mapping[str, object],
    *,
    pairs: bool = False,
    task: Task = SINGLE_LABEL,
) -> Evidence:
    """The rows of a csv, tsv or jsonl file, with labels and the teacher's answers where it has them.

    Columns are those of the recipe's `data.columns`, or go by the usual names. Labels are the bundle's names, or
    numbers where the recipe's `data.labels` says what they mean. A jsonl file as in the bundle
    (`evaluation.jsonl`) may hold the teacher's answers. Raises `InputError`, or `BundleError` for such a file.
    """
    if not path.is_file():
        raise InputError(f"{path} is no file", f"a {_KNOWN} file", "check the path")
    rows = list(_rows(path))
    if not rows:
        raise InputError(f"{path} has no rows", "a text in each row", "check how the file was written")
    if "teacher" in rows[0]:
        return evaluation_rows(path, labels, task)
    data = recipe.get("data")
    data = data if isinstance(data, Mapping) else {}
    columns = data.get("columns")
    columns = columns if isinstance(columns, Mapping) else {}
    first, second = columns.get("text"), columns.get("text_pair")
    if pairs and not (isinstance(first, str) and isinstance(second, str)):
        first, second = next((names for names in PAIR_NAMES if set(names) <= set(rows[0])), (first, second))
    text = _column(path, rows[0], first, (*task.text_columns, *TEXT_NAMES))
    text_pair = _column(path, rows[0], second, ("text_pair",)) if pairs else None
    named = columns.get("label")
    if isinstance(named, list):  # a column of 0 and 1 for each label
        rows = [{**row, _JOINED: {str(one): row.get(str(one)) for one in named}} for row in rows]
    label = _column(
        path,
        rows[0],
        _JOINED if isinstance(named, list) else named,
        (*task.label_columns, *LABEL_NAMES),
        needed=False,
    )
    assert text is not None
    columns_of = (text, label, text_pair)
    rows = [_row(path, number, row, columns_of, task) for number, row in enumerate(rows, start=1)]
    names = _names_by_number(data.get("labels"))
    texts: list[Input] = []
    for number, row in enumerate(rows, start=1):
        one = _text(path, number, row.get(text))
        texts.append(one if text_pair is None else (one, _text(path, number, row.get(text_pair))))
    if label is None:
        return Evidence(path.name, texts, None, None)
    gold = [
        _label(path, number, row.get(label), labels, names, task) for number, row in enumerate(rows, start=1)
    ]
    return Evidence(path.name, texts, task.gathered_labels(gold), None)


def _row(
    path: Path,
    number: int,
    row: Mapping[str, object],
    columns: tuple[str, str | None, str | None],
    task: Task,
) -> Mapping[str, object]:
    try:
        return task.file_row(row, *columns)
    except Fault as fault:
        raise InputError(f"{path}, row {number}: {fault.found}", fault.expected, fault.remedy or "") from None


def _rows(path: Path) -> Iterator[Mapping[str, object]]:
    suffix = path.suffix.lower()
    if suffix != ".jsonl" and suffix not in _SEPARATORS:
        raise InputError(f"{path} ends in {suffix or 'nothing'}", f"a {_KNOWN} file", "convert it")
    if wide := wide_encoding(path):
        raise InputError(f"{path} is {wide}", "a file in UTF-8", f"convert it: {how_to_convert(wide)}")
    number = 0
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            if suffix in _SEPARATORS:
                yield from csv.DictReader(stream, delimiter=_SEPARATORS[suffix], strict=True)
                return
            for number, line in enumerate(stream, start=1):  # noqa: B007 - named in the message
                row = json.loads(line)
                if not isinstance(row, dict):
                    raise ValueError("no JSON object")
                yield row
    except UnicodeDecodeError:
        raise InputError(f"{path} is not UTF-8", "a file in UTF-8", "save it again as UTF-8") from None
    except (csv.Error, ValueError) as error:
        place = f"{path}, line {number}" if number else str(path)
        raise InputError(f"{place}: {error}", f"a {_KNOWN} file", "mend the line") from None


def _column(
    path: Path, row: Mapping[str, object], named: object, usual: Sequence[str], *, needed: bool = True
) -> str | None:
    """The column of the recipe, where the file has it, else the first of the usual names that it has."""
    wanted = ([named] if isinstance(named, str) else []) + list(usual)
    found = next((name for name in wanted if name in row), None)
    if found is None and needed:
        raise InputError(
            f"{path} has the columns {', '.join(map(str, row))}",
            f"a column of texts: {', '.join(wanted[:4])} or the like",
            "rename the column of the texts",
        )
    return found


def _text(path: Path, number: int, text: object) -> str:
    try:
        return check_text(text)
    except InputError as error:
        raise InputError(f"{path}, row {number}: {error.found}", error.expected, error.remedy) from None


def _names_by_number(labels: object) -> dict[str, str]:
    """What numbers mean by the recipe's `data.labels`, which is a list or a mapping."""
    if isinstance(labels, Mapping):
        return {str(number): str(name) for number, name in labels.items()}
    if isinstance(labels, list):
        return {str(number): str(name) for number, name in enumerate(labels)}
    return {}


def _label(
    path: Path, number: int, found: object, labels: Sequence[str], names: dict[str, str], task: Task
) -> object:
    try:
        return task.parse_label(found, labels, names)
    except Fault as fault:
        raise InputError(f"{path}, row {number}: {fault.found}", fault.expected, fault.remedy or "") from None
