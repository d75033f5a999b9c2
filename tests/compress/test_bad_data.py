"""Data that cannot be read, or that nothing can be learnt from: ways to spoil it, the cases, the test."""

from pathlib import Path
from typing import Any

import pytest
from mistakes import Case, Spoil, check, setting
from tiny import tiny_recipe, tiny_rows, write_csv

ROWS = tiny_rows(90, seed=3)


def data_file(name: str, content: bytes) -> Spoil:
    def spoil(recipe: dict[str, Any], folder: Path) -> None:
        (folder / name).write_bytes(content)
        recipe["data"]["path"] = str(folder / name)

    return spoil


def csv_rows(rows: list[tuple[str, str]], header: tuple[str, str] = ("text", "label")) -> Spoil:
    def spoil(recipe: dict[str, Any], folder: Path) -> None:
        recipe["data"]["path"] = str(write_csv(folder / "rows.csv", rows, header))

    return spoil


def split_files(train: list[tuple[str, str]], test: list[tuple[str, str]]) -> Spoil:
    def spoil(recipe: dict[str, Any], folder: Path) -> None:
        write_csv(folder / "data" / "train.csv", train)
        write_csv(folder / "data" / "test.csv", test)
        recipe["data"]["path"] = str(folder / "data")

    return spoil


CASES = [
    Case("missing data file", setting("data.path", "./tickets.csv"), ("./tickets.csv", "csv", "data.path")),
    Case(
        "missing text column",
        setting("data.columns", {"text": "txt"}),
        ("'txt'", "text, label", "did you mean 'text'?"),
    ),
    Case("missing label column", setting("data.columns", {"label": "intent"}), ("'intent'", "text, label")),
    Case(
        "no such split",
        setting("data.splits", {"test": "tets"}),
        ("'tets'", "splits test, train", "did you mean 'test'?"),
    ),
    Case("empty file", data_file("none.csv", b""), ("none.csv is empty", "header and rows")),
    Case("header alone", data_file("head.csv", b"text,label\n"), ("has no rows", "how the file was written")),
    Case(
        "corrupt parquet",
        data_file("rows.parquet", b"PAR1 this is not parquet PAR1"),
        ("rows.parquet", "as parquet", "again"),
    ),
    Case("broken json lines", data_file("rows.jsonl", b'{"text": "a", \n{{{'), ("rows.jsonl", "as json")),
    Case(
        "wrong encoding",
        data_file("latin.csv", "text,label\ncaf\xe9 soup,food\n".encode("latin1") * 30),
        ("latin.csv", "UTF-8", "iconv"),
    ),
    Case("unknown file type", data_file("rows.xlsx", b"PK"), ("rows.xlsx", ".xlsx", "csv")),
    Case(
        "text that is numbers",
        csv_rows([("12", "a"), ("13", "b")] * 40),
        ("'text'", "int64", "not text", "data.columns.text"),
    ),
    Case(
        "empty texts", csv_rows([*ROWS, ("", "food"), ("  ", "food")]), ("2 of 92 texts", "row 91", "empty")
    ),
    Case("missing labels", csv_rows([*ROWS, ("a goal", "")]), ("1 of 91 labels", "row 91")),
    Case(
        "one class only",
        csv_rows([(text, "food") for text, _ in ROWS]),
        ("same label, food", "at least two labels"),
    ),
    Case("too few rows", csv_rows(ROWS[:15]), ("15 rows", "at least 20")),
    Case(
        "labels that are measurements",
        csv_rows([(text, f"{i}.5") for i, (text, _) in enumerate(ROWS)]),
        ("0.5", "set problem_type: regression"),
    ),
    Case(
        "a label that train lacks",
        split_files(ROWS, [*ROWS[:30], ("a song", "music")]),
        ("music", "test", "train"),
    ),
    Case(
        "a label that test lacks",
        split_files(ROWS, [row for row in ROWS if row[1] != "food"]),
        ("test has no row of food", "data.labels"),
    ),
    Case(
        "label ids with a hole",
        csv_rows([(text, str(1 + i % 2 * 4)) for i, (text, _) in enumerate(ROWS)]),
        ("1, 5", "from 0 without gaps", "data.labels"),
    ),
    Case(
        "names in train and ids in test",
        split_files(
            [(t, "0" if i % 2 else "none") for i, (t, _) in enumerate(ROWS)], [(t, "7") for t, _ in ROWS]
        ),
        ("label 7", "0, none"),
    ),
    Case(
        "a text longer than any model takes",
        csv_rows([*ROWS, ("goal " * 30_000, "sport")]),
        ("row 91", "150,000 characters", "100,000"),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_bad_data_gets_one_clear_message(
    case: Case, tiny_data: Path, tiny_encoder: Path, tmp_path: Path
) -> None:
    check(case, tiny_recipe(tiny_data, tiny_encoder), tmp_path)


def test_the_table_is_whole() -> None:
    """An empty table would pass in silence, and of two cases of one name one was meant to be another."""
    assert len(CASES) >= 21
    assert len({case.name for case in CASES}) == len(CASES)
