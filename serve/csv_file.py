"""A CSV file of texts in, the same file with the model's answers out.

Rows are read, answered and written in chunks, so a file may be larger than memory. The whole input is
checked first, before the first answer: a fault in the last line is reported in the first second.
"""

import csv
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO

from serve.encoding import MAX_CHARACTERS
from serve.errors import InputError
from serve.inputs import Input
from serve.predictor import Predictor
from serve.tasks import Answering, SingleLabel
from serve.text_encoding import how_to_convert, wide_encoding

TEXT_COLUMNS = ("text", "sentence")  # looked for in this order
PAIR_COLUMNS = (
    ("text", "text_pair"),
    ("sentence1", "sentence2"),
    ("premise", "hypothesis"),
    ("question", "context"),
)
_CHUNK = 256
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
_LARGEST_CELL = 10_000_000  # over it the file is taken for something else than a CSV file


@dataclass(frozen=True, slots=True)
class _Wanted:
    column: str | None
    pair_column: str | None
    pairs: bool


@dataclass(frozen=True, slots=True)
class _Layout:
    header: list[str]
    text_index: int
    pair_index: int | None  # of the second text
    rows: int
    has_bom: bool


def predict_csv(
    predictor: Predictor,
    source: Path,
    target: Path,
    *,
    column: str | None = None,
    pairs: bool = False,
    pair_column: str | None = None,
    progress: Callable[[int, int], None] | None = None,
    answering: Answering | None = None,
) -> int:
    """Write `source` with the columns of the model's task to `target`, as `annotate_csv` does; returns the rows.

    Those of `answering`, of classification with one label unless given.
    """
    shown = answering or SingleLabel()

    def cells(texts: Sequence[Input]) -> list[list[str]]:
        return [shown.cells(answer) for answer in predictor.predict(texts)]

    return annotate_csv(
        source,
        target,
        shown.CSV_COLUMNS,
        cells,
        column=column,
        pairs=pairs,
        pair_column=pair_column,
        progress=progress,
    )


def annotate_csv(
    source: Path,
    target: Path,
    added: Sequence[str],
    cells: Callable[[Sequence[Input]], Sequence[Sequence[str]]],
    *,
    column: str | None = None,
    pairs: bool = False,
    pair_column: str | None = None,
    progress: Callable[[int, int], None] | None = None,
    most_rows: int | None = None,
) -> int:
    """Write `source` with the columns `added` to `target`; returns the number of rows.

    `cells` gets some texts and gives the added cells of each. The texts are in `column`, else in "text", else in
    "sentence", else in the only column; for a model of `pairs` in `column` and `pair_column`, else in the first of
    `PAIR_COLUMNS` that the file has. `progress` is called with (rows done, rows in all). Text cells that
    a spreadsheet would run as a formula get a leading apostrophe. Raises `InputError`, also for more than
    `most_rows`; `target` is then as it was before.
    """
    _check_paths(source, target)
    layout = _checked_layout(source, _Wanted(column, pair_column, pairs), added, most_rows)
    done = 0
    with _replaced_when_complete(target, "utf-8-sig" if layout.has_bom else "utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow([*map(_harmless, layout.header), *added])
        rows = (row for _, row in _rows(source))
        next(rows)
        while chunk := list(islice(rows, _CHUNK)):
            found = cells([_asked(row, layout) for row in chunk])
            for row, more in zip(chunk, found, strict=True):
                writer.writerow([*map(_harmless, row), *map(_harmless, more)])
            done += len(chunk)
            if progress is not None:
                progress(done, layout.rows)
    return done


def _check_paths(source: Path, target: Path) -> None:
    if not source.is_file():
        raise InputError(f"{source} is no file", "a CSV file", "check the path")
    if target.is_dir() or not target.parent.is_dir():
        raise InputError(
            f"{target} cannot be written: it is a folder, or its folder does not exist",
            "the path of a file in an existing folder",
            "make the folder first, or give another path",
        )
    if target.exists() and target.samefile(source):
        raise InputError(
            f"{target} is the input itself", "another file for the answers", "give another output path"
        )


def _asked(row: list[str], layout: _Layout) -> Input:
    text = row[layout.text_index]
    return text if layout.pair_index is None else (text, row[layout.pair_index])


def _checked_layout(source: Path, wanted: _Wanted, added: Sequence[str], most_rows: int | None) -> _Layout:
    """Read the whole file once; raises `InputError` for the first thing that is wrong with it."""
    rows = _rows(source)
    _, header = next(rows, (0, []))
    if not header:
        raise InputError(f"{source} is empty", "a header line, then one row per text", "give another file")
    column, pair_column = wanted.column, wanted.pair_column
    if wanted.pairs and column is None and pair_column is None:
        column, pair_column = next((two for two in PAIR_COLUMNS if set(two) <= set(header)), PAIR_COLUMNS[0])
    index = _text_index(source, header, column, added)
    pair_index = (
        _text_index(source, header, pair_column or PAIR_COLUMNS[0][1], added) if wanted.pairs else None
    )
    count = 0
    for line, row in rows:
        count += 1
        if len(row) != len(header):
            raise InputError(
                f"{source}, line {line}: {len(row)} cells",
                f"{len(header)} cells, as in the header",
                'put texts that hold a comma or a line break in double quotes, with " written as ""',
            )
        longest = max(len(row[place]) for place in (index, pair_index) if place is not None)
        if longest > MAX_CHARACTERS:
            raise InputError(
                f"{source}, line {line}: a text of {longest:,} characters",
                f"at most {MAX_CHARACTERS:,}",
                "cut the text; if it runs over many rows, a closing double quote is missing",
            )
    if most_rows is not None and count > most_rows:
        raise InputError(
            f"{source} has {count:,} rows",
            f"at most {most_rows:,}",
            "split it, or answer it with `compress predict`",
        )
    with source.open("rb") as stream:
        has_bom = stream.read(3) == b"\xef\xbb\xbf"
    return _Layout(header, index, pair_index, count, has_bom)


def _text_index(source: Path, header: Sequence[str], column: str | None, added: Sequence[str]) -> int:
    found = ", ".join(map(repr, header))
    taken = [name for name in added if name in header]
    if taken:
        raise InputError(
            f"{source} already has the column {taken[0]!r}",
            f"no column of the names that are added: {', '.join(added)}",
            "rename or remove the column, or give the file from before the prediction",
        )
    if len(header) == 1 and column is None and any(mark in header[0] for mark in ";\t|"):
        raise InputError(
            f"{source} has the single column {header[0]!r}",
            "cells separated by commas",
            "save it again with commas; a semicolon or a tab does not separate cells here",
        )
    for name in (column,) if column is not None else TEXT_COLUMNS:
        if header.count(name) > 1:
            raise InputError(f"{source} has {name!r} twice", "one text column", "rename one of them")
        if name in header:
            return header.index(name)
    if column is None and len(header) == 1:
        return 0
    raise InputError(
        f"{source} has the columns {found}",
        f"a column {column!r}" if column is not None else "a column 'text' or 'sentence'",
        "name the column of the texts (--column)",
    )


def _rows(source: Path) -> Iterator[tuple[int, list[str]]]:
    """Line number (where the row ends) and cells of every row that is not blank."""
    csv.field_size_limit(_LARGEST_CELL)
    if wide := wide_encoding(source):
        raise InputError(
            f"{source} is {wide}",
            "a CSV file in UTF-8",
            f"save it again as CSV UTF-8, or convert it: {how_to_convert(wide)}",
        )
    with source.open(encoding="utf-8-sig", newline="") as stream:
        reader = csv.reader(stream, strict=True)
        try:
            for row in reader:
                if row:
                    yield reader.line_num, row
        except UnicodeDecodeError:
            raise InputError(
                f"{source} is not UTF-8, after line {reader.line_num}",
                "a CSV file in UTF-8",
                "save it again as CSV UTF-8",
            ) from None
        except csv.Error as error:
            raise InputError(
                f"{source}, line {reader.line_num}: {error}",
                "a CSV file",
                'put texts that hold a comma or a line break in double quotes, with " written as ""',
            ) from None


def _harmless(cell: str) -> str:
    """The cell, with an apostrophe before what a spreadsheet program would run as a formula."""
    if not cell.startswith(_FORMULA_STARTS):
        return cell
    try:
        float(cell)
    except ValueError:
        return f"'{cell}"
    return cell


@contextmanager
def _replaced_when_complete(target: Path, encoding: str) -> Iterator[IO[str]]:
    """A file to write that takes the place of `target` when the block ends well, and else is gone."""
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        with partial.open("x", encoding=encoding, newline="") as stream:
            yield stream
        partial.replace(target)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
