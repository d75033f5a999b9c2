"""Texts without labels: `data.unlabeled` of a recipe, and text files that are larger than memory."""

import difflib
import glob
from collections.abc import Iterator, Sequence
from pathlib import Path

import datasets

from compress.data.columns import find_columns
from compress.data.read import FORMATS, read_raw
from compress.errors import DataError
from serve.encoding import MAX_CHARACTERS, check_text
from serve.errors import InputError
from serve.text_encoding import how_to_convert, wide_encoding

TEXT_SUFFIX = ".txt"
_KNOWN = f"txt (a text in each line), {', '.join(suffix[1:] for suffix in FORMATS)}"


def unlabeled_files(
    patterns: Sequence[str], *, key: str = "data.unlabeled", expected: str = f"a file in one of {_KNOWN}"
) -> list[Path]:
    """The files that paths and globs name, relative to the current folder: in the patterns' order, then by name.

    A file that two patterns name stands there once. Raises `DataError` for a pattern without a file; it names
    the recipe's `key` and what is `expected`.
    """
    return list(dict.fromkeys(file for pattern in patterns for file in _matches(pattern, key, expected)))


def read_unlabeled(patterns: Sequence[str], column: str | None) -> list[str]:
    """The texts of all files in order, stripped, without blank ones; of equal texts the first.

    `column` holds the texts of files with columns; None finds it by its name or type. Raises `DataError`
    where a file is missing, is empty, is not UTF-8 or has no such column.
    """
    texts: dict[str, None] = {}
    for file in unlabeled_files(patterns):
        suffix = file.suffix.lower()
        if suffix == TEXT_SUFFIX:
            texts.update(dict.fromkeys(_lines(file)))
        elif suffix in FORMATS:
            texts.update(dict.fromkeys(_column(file, column)))
        else:
            raise DataError(
                f"{file} ends in {file.suffix or 'nothing'}",
                f"a file in one of {_KNOWN}",
                "convert or rename it",
            )
    return list(texts)


def _matches(pattern: str, key: str, expected: str) -> list[Path]:
    path = Path(pattern).expanduser()
    if path.is_file():
        return [path]
    if path.is_dir():
        raise DataError(
            f"{pattern} is a folder",
            "paths or patterns of files",
            f"name its files, for example {path / ('*' + TEXT_SUFFIX)}",
        )
    # Path.glob refuses absolute patterns.
    found = sorted(Path(name) for name in glob.glob(str(path), recursive=True))  # noqa: PTH207
    files = [file for file in found if file.is_file()]
    if not files:
        raise DataError(f"no file matches {pattern} ({key})", expected, _nearest(path))
    return files


def _nearest(path: Path) -> str:
    folder = path.parent
    if any(sign in str(folder) for sign in "*?[") or not folder.is_dir():
        return f"check the path: it is read from the current folder, {Path.cwd()}"
    beside = sorted(entry.name for entry in folder.iterdir() if entry.is_file())
    near = difflib.get_close_matches(path.name, beside, n=3, cutoff=0.5)
    if near:
        return f"did you mean {' or '.join(str(folder / name) for name in near)}?"
    if beside:
        more = ", ..." if len(beside) > 5 else ""
        return f"{folder} holds {', '.join(beside[:5])}{more}"
    return f"{folder} holds no files: check the path, which is read from the current folder"


def _lines(file: Path) -> Iterator[str]:
    """The stripped lines of a UTF-8 file that are not blank; raises `DataError` where there are none."""
    number, found = 0, False
    if wide := wide_encoding(file):
        raise DataError(f"{file} is {wide}", "text in UTF-8", f"convert it: {how_to_convert(wide)}")
    try:
        with file.open(encoding="utf-8-sig") as stream:
            # A limit, so that a file without line ends is refused and not held whole.
            while line := stream.readline(MAX_CHARACTERS + 2):
                number += 1
                if len(line) > MAX_CHARACTERS + 1:
                    raise _too_long(file, number)
                if text := line.strip():
                    found = True
                    yield _checked(text, f"line {number} of {file}")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{file} is not UTF-8 text (after line {number}: {error.reason})",
            "text in UTF-8",
            f"convert it, for example: {how_to_convert(None)}",
        ) from None
    if not found:
        raise _empty(file)


def _column(file: Path, column: str | None) -> Iterator[str]:
    """The stripped texts of a file with columns, without those that are blank or missing."""
    data = read_raw(str(file), None, None)["train"]
    name = _column_name(data, file, column)
    found = False
    for row, value in enumerate(data[name], start=1):
        if value is not None and not isinstance(value, str):
            raise DataError(
                f"the column {name!r} of {file} holds {type(value).__name__} values, not text",
                "strings",
                "give a file whose column of that name holds the texts",
            )
        if value is not None and (text := value.strip()):
            found = True
            yield _checked(text, f"row {row} of {file}")
    if not found:
        raise _empty(file)


def _column_name(data: datasets.Dataset, file: Path, column: str | None) -> str:
    names = list(data.column_names)
    if column is not None and column not in names:
        near = difflib.get_close_matches(column, names, n=1)
        raise DataError(
            f"{file} has the columns {', '.join(names)}, and none is {column!r}",
            "the column of texts that data.columns.text names",
            f"rename the column {near[0]!r} in it" if near else "rename its column of texts",
        )
    try:
        return find_columns(data, column, None, no_label=True).text
    except DataError as error:
        raise DataError(f"{file} (data.unlabeled): {error.found}", error.expected, error.remedy) from None


def _checked(text: str, where: str) -> str:
    try:
        return check_text(text)
    except InputError as error:
        raise DataError(f"{where} holds {error.found}", error.expected, error.remedy) from None


def _too_long(file: Path, number: int) -> DataError:
    return DataError(
        f"line {number} of {file} has more than {MAX_CHARACTERS:,} characters",
        "a text in each line",
        "put line ends between its texts",
    )


def _empty(file: Path) -> DataError:
    return DataError(
        f"{file} holds no text", "at least one text", "check how it was written, or leave it out"
    )
