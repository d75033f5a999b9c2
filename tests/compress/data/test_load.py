"""Reading data: formats, splits that are found and made, labels by name."""

import json
from pathlib import Path

import datasets
import numpy as np
import pytest
from tiny import tiny_rows, write_csv

from compress.data.load import load_splits
from compress.data.rows import Rows
from compress.data.stratify import cut, sample
from compress.errors import DataError
from compress.recipe import DataOptions

ROWS = tiny_rows(120, seed=4)


def write_as(suffix: str, path: Path) -> Path:
    file = path / f"rows.{suffix}"
    table = datasets.Dataset.from_dict(
        {"text": [text for text, _ in ROWS], "label": [label for _, label in ROWS]}
    )
    if suffix == "csv":
        write_csv(file, ROWS)
    elif suffix == "tsv":
        file.write_text("text\tlabel\n" + "".join(f"{text}\t{label}\n" for text, label in ROWS))
    elif suffix == "parquet":
        table.to_parquet(str(file))
    elif suffix == "jsonl":
        file.write_text("".join(json.dumps({"text": t, "label": name}) + "\n" for t, name in ROWS))
    else:
        file.write_text(json.dumps([{"text": t, "label": name} for t, name in ROWS]))
    return file


def load(path: Path, **options: object) -> "tuple[Rows, Rows, Rows, tuple[str, ...] | None, tuple[str, ...]]":
    splits = load_splits(DataOptions.model_validate({"path": str(path), **options}), seed=13)
    return splits.train, splits.validation, splits.test, splits.label_names, splits.notes


@pytest.mark.parametrize("suffix", ["csv", "tsv", "parquet", "jsonl", "json"])
def test_every_format_gives_the_same_rows(suffix: str, tmp_path: Path) -> None:
    train, validation, test, names, _ = load(write_as(suffix, tmp_path))
    assert names == ("food", "sport", "travel")
    found = {
        (text, names[int(label)])
        for rows in (train, validation, test)
        for text, label in zip(rows.texts, rows.labels if rows.labels is not None else [], strict=True)
    }
    assert found == set(ROWS)


def test_missing_splits_are_made_stratified_seeded_and_said(tmp_path: Path) -> None:
    file = write_as("csv", tmp_path)
    train, validation, test, _, notes = load(file)
    assert (len(train), len(validation), len(test)) == (87, 9, 24)
    assert not set(train.texts) & set(test.texts)
    for rows in (train, validation, test):
        assert rows.labels is not None
        assert np.ptp(np.bincount(rows.labels, minlength=3)) <= 1  # each label keeps its share
    assert any("24 rows set apart from train, stratified, seed 13" in note for note in notes)
    again = load(file)
    assert again[2].texts == test.texts
    other = load_splits(DataOptions(path=str(file)), seed=14)
    assert other.test.texts != test.texts


def test_the_reported_rows_never_select(tmp_path: Path) -> None:
    write_csv(tmp_path / "train.csv", ROWS[:90])
    write_csv(tmp_path / "validation.csv", ROWS[90:])
    train, validation, test, _, _ = load(tmp_path)
    assert test.texts == [text for text, _ in ROWS[90:]]
    assert not set(validation.texts) & set(test.texts)
    assert set(validation.texts) | set(train.texts) == {text for text, _ in ROWS[:90]}
    with pytest.raises(DataError, match="one split two parts"):
        load(tmp_path, splits={"validation": "validation", "test": "validation"})


def test_a_split_whose_labels_are_all_minus_one_is_left_out(tmp_path: Path) -> None:
    write_csv(tmp_path / "train.csv", [(text, str(index % 2)) for index, (text, _) in enumerate(ROWS)])
    write_csv(tmp_path / "test.csv", [(text + " again", "-1") for text, _ in ROWS[:30]])
    *_, test, names, notes = load(tmp_path)
    assert len(test) == 24
    assert names is None
    assert any("test is unlabelled" in note for note in notes)


def test_texts_that_pandas_takes_for_missing_are_texts(tmp_path: Path) -> None:
    odd = [("NA", "food"), ("null", "sport"), ("None", "travel")]
    train, validation, test, _, _ = load(write_csv(tmp_path / "rows.csv", [*ROWS, *odd]))
    assert {"NA", "null", "None"} <= {*train.texts, *validation.texts, *test.texts}


def test_names_come_from_the_recipe_then_the_data_then_the_file_beside_it(tmp_path: Path) -> None:
    ids = [(text, str(["food", "sport", "travel"].index(label))) for text, label in ROWS]
    file = write_csv(tmp_path / "rows.csv", ids)
    assert load(file)[3] is None
    (tmp_path / "labels.json").write_text('["f", "s", "t"]')
    assert load(file)[3] == ("f", "s", "t")
    assert load(file, labels={0: "F", 1: "S", 2: "T"})[3] == ("F", "S", "T")


def test_duplicates_between_train_and_test_are_counted(tmp_path: Path) -> None:
    write_csv(tmp_path / "train.csv", ROWS)
    write_csv(tmp_path / "test.csv", [*ROWS[:7], *tiny_rows(30, seed=99)])
    notes = load(tmp_path)[4]
    assert any(note.startswith("7 of 37 test texts stand in train too") for note in notes)


def test_a_cut_keeps_every_row_once_and_never_takes_a_labels_last_row() -> None:
    labels = np.asarray([0] * 50 + [1] * 5 + [2], dtype=np.int64)
    rows = Rows([f"text {index}" for index in range(56)], labels)
    rest, taken = cut(rows, 10, seed=1)
    assert sorted(rest.texts + taken.texts) == sorted(rows.texts)
    assert set(rest.labels.tolist()) == {0, 1, 2}  # type: ignore[union-attr]
    assert set(taken.labels.tolist()) == {0, 1}  # type: ignore[union-attr]
    assert sample(rows, 100, seed=1) is rows
    assert cut(rows, 10, seed=1)[1].texts == taken.texts
