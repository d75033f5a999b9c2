"""Files of `data.generalization`: labels by name, mistakes with the name of the file."""

from pathlib import Path

import numpy as np
import pytest
from tiny import tiny_rows, write_csv

from compress.data.generalization import load_generalization, overlaps
from compress.data.load import load_splits
from compress.data.rows import Rows, Splits
from compress.errors import DataError, SeveralMistakesError
from compress.recipe import DataOptions


def loaded(tiny_data: Path, **files: Path) -> tuple[dict[str, Rows], Splits]:
    options = DataOptions(
        path=str(tiny_data), generalization={name: str(path) for name, path in files.items()}
    )
    splits = load_splits(options, seed=13)
    return load_generalization(options, splits), splits


def test_labels_are_matched_by_name_and_texts_that_were_learnt_are_counted(
    tiny_data: Path, tmp_path: Path
) -> None:
    rows = [*tiny_rows(30, seed=9), *tiny_rows(600, seed=1)[:5]]
    found, splits = loaded(tiny_data, other=write_csv(tmp_path / "other.csv", rows))
    assert splits.label_names is not None
    assert found["other"].labels is not None
    assert [splits.label_names[label] for label in found["other"].labels] == [label for _, label in rows]
    (note,) = overlaps(found, splits)
    assert note.startswith("5 of 35 texts of data.generalization.other stand in train too")


def test_ids_are_the_datas_and_names_like_numbers_are_names(tiny_data: Path, tmp_path: Path) -> None:
    ids = write_csv(tmp_path / "ids.csv", [("the match", "2"), ("a soup", "0")])
    found, _ = loaded(tiny_data, ids=ids)
    assert found["ids"].labels is not None
    assert found["ids"].labels.tolist() == [2, 0]  # food, sport, travel
    rows = Rows(["x"], np.array([0]))
    stars = Splits(rows, rows, rows, ("1", "2", "3"), 3)
    rating = write_csv(tmp_path / "stars.csv", [("good", "3")])
    rated = load_generalization(DataOptions(path="x", generalization={"ids": str(rating)}), stars)
    assert rated["ids"].labels is not None
    assert rated["ids"].labels.tolist() == [2]


def test_mistakes_are_told_with_the_files_name_and_all_at_once(tiny_data: Path, tmp_path: Path) -> None:
    strange = write_csv(tmp_path / "strange.csv", [("the match", "chess")])
    bare = write_csv(tmp_path / "bare.csv", [("the match", "sport")], header=("text", "remark"))
    with pytest.raises(DataError, match=r"data.generalization.a: the split a has the label chess"):
        loaded(tiny_data, a=strange)
    with pytest.raises(SeveralMistakesError) as refused:
        loaded(tiny_data, a=strange, b=bare, c=tmp_path / "missing.csv")
    for words in ("generalization.a: ", "generalization.b: ", "none is a label", "generalization.c: no data"):
        assert words in str(refused.value)
