"""Labels as data sets of the Hub have them: every kind is read as what it means, or refused in words."""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import datasets
import pytest
from datasets import ClassLabel, Features, List, Value
from every_task import _numbers, _sets, _tagged
from tiny import TOPICS, tiny_rows

from compress.data.generalization import load_generalization
from compress.data.labels import align
from compress.data.load import load_splits
from compress.data.rows import Rows, Splits
from compress.errors import DataError
from compress.recipe import DataOptions
from compress.tasks import TASKS, task_named

Row = dict[str, Any]
NAMES = list(TOPICS)
MIXED = [NAMES[2], NAMES[0], NAMES[1]]
TAGS = ["O", "B-sport", "I-sport", "B-food", "I-food"]
ROWS = [{"text": text, "label": label} for text, label in tiny_rows(60, 1)]
OTHERS = [{"text": text, "label": label} for text, label in tiny_rows(30, 2)]
SETS, OTHER_SETS = _sets(60, 1), _sets(30, 2)
WORDS, OTHER_WORDS = _tagged(60, 1), _tagged(30, 2)
SINGLE, SEVERAL, NUMBER, TAGGED, ALIKE = TASKS[:5]


def changed(rows: Sequence[Row], column: str, value: Any) -> list[Row]:
    """The rows with `value`, or what it makes of the cell, in the column."""
    return [row | {column: value(row[column]) if callable(value) else value} for row in rows]


def one_changed(rows: Sequence[Row], column: str, value: Any, place: int = 4) -> list[Row]:
    rows = list(rows)
    rows[place : place + 1] = changed(rows[place : place + 1], column, value)
    return rows


def numbered(rows: Sequence[Row], names: Sequence[str], column: str = "label") -> list[Row]:
    def number(cell: Any) -> Any:
        return [names.index(one) for one in cell] if isinstance(cell, list) else names.index(cell)

    return changed(rows, column, number)


def kinds(rows: Sequence[Row], names: Sequence[str], column: str = "label") -> Features:
    """Features of rows whose labels are numbers of these names."""
    found: dict[str, Any] = {
        name: List(Value("string")) if isinstance(cell, list) else Value("string")
        for name, cell in rows[0].items()
    }
    label = ClassLabel(names=list(names))
    return Features(found | {column: List(label) if isinstance(rows[0][column], list) else label})


def write(folder: Path, split: str, rows: Sequence[Row], features: Features | None = None) -> None:
    folder.mkdir(exist_ok=True)
    datasets.Dataset.from_list(list(rows), features=features).to_parquet(str(folder / f"{split}.parquet"))


def load(folder: Path, train: Any, test: Any, task: Any = SINGLE, **options: object) -> Splits:
    """`train` and `test` are rows, or rows with their features."""
    for split, given in (("train", train), ("test", test)):
        write(folder, split, *(given if isinstance(given, tuple) else (given,)))
    return load_splits(DataOptions.model_validate({"path": str(folder), **options}), 13, task)


def named(rows: Rows, names: Sequence[str] | None) -> dict[Any, Any]:
    """Each text's label, or set of labels, or tags by its name."""
    assert rows.labels is not None
    assert names is not None
    if rows.labels.ndim == 1:
        found = [names[int(label)] for label in rows.labels]
    elif rows.labels.ndim == 2:
        found = [{name for name, one in zip(names, row, strict=True) if one} for row in rows.labels]
    else:
        found = [[names[tag] for _, _, tag in row.tolist() if tag >= 0] for row in rows.labels]
    return dict(zip(rows.texts, found, strict=True))


def learnt(splits: Splits) -> dict[Any, Any]:
    """Of the rows that train and select, which are cut by the numbers of their labels."""
    return named(splits.train, splits.label_names) | named(splits.validation, splits.label_names)


@pytest.mark.parametrize(
    ("task", "rows", "others", "names", "mixed", "column"),
    [
        (SINGLE, ROWS, OTHERS, NAMES, MIXED, "label"),
        (SEVERAL, SETS, OTHER_SETS, NAMES, MIXED, "labels"),
        (TAGGED, WORDS, OTHER_WORDS, TAGS, TAGS[::-1], "ner_tags"),
    ],
    ids=["single", "several", "tags"],
)
@pytest.mark.parametrize("test_has", ["the same numbers", "other numbers", "names", "plain numbers"])
def test_splits_that_number_labels_each_in_their_own_way_are_read_by_name(
    tmp_path: Path,
    task: Any,
    rows: list[Row],
    others: list[Row],
    names: list[str],
    mixed: list[str],
    column: str,
    test_has: str,
) -> None:
    ours = numbered(rows, names, column), kinds(rows, names, column)
    theirs = {
        "the same numbers": (numbered(others, names, column), kinds(others, names, column)),
        "other numbers": (numbered(others, mixed, column), kinds(others, mixed, column)),
        "names": others,
        "plain numbers": numbered(others, names, column),
    }[test_has]
    splits = load(tmp_path, ours, theirs, task)
    expected = load(tmp_path / "plain", rows, others, task)
    assert splits.label_names == tuple(names)  # in the order of train's own
    assert named(splits.test, splits.label_names) == named(expected.test, expected.label_names)
    assert learnt(splits) == learnt(expected)


def test_a_train_split_with_names_reads_numbers_of_test_by_name(tmp_path: Path) -> None:
    splits = load(tmp_path, ROWS, (numbered(OTHERS, MIXED), kinds(OTHERS, MIXED)))
    assert named(splits.test, splits.label_names) == {row["text"]: row["label"] for row in OTHERS}


def test_a_further_file_is_read_by_name_too(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    write(elsewhere, "rows", numbered(OTHERS, MIXED), kinds(OTHERS, MIXED))
    data = tmp_path / "data"
    further = {"other": str(elsewhere / "rows.parquet")}
    splits = load(
        data, (numbered(ROWS, NAMES), kinds(ROWS, NAMES)), numbered(OTHERS, NAMES), generalization=further
    )
    options = DataOptions.model_validate({"path": str(data), "generalization": further})
    rows = load_generalization(options, splits)["other"]
    assert named(rows, splits.label_names) == {row["text"]: row["label"] for row in OTHERS}


@pytest.mark.parametrize(
    "cell", [str, int, float, lambda number: f" {number} "], ids=["string", "int", "float", "spaces"]
)
def test_numbers_in_any_spelling_mean_the_names_of_the_recipe(tmp_path: Path, cell: Any) -> None:
    train, test = (changed(numbered(rows, NAMES), "label", cell) for rows in (ROWS, OTHERS))
    splits = load(tmp_path, train, test, labels=NAMES)
    assert splits.label_names == tuple(NAMES)
    assert named(splits.test, NAMES) == {row["text"]: row["label"] for row in OTHERS}


@pytest.mark.parametrize(
    ("task", "rows", "others", "names", "column"),
    [(SEVERAL, SETS, OTHER_SETS, NAMES, "labels"), (TAGGED, WORDS, OTHER_WORDS, TAGS, "ner_tags")],
    ids=["several", "tags"],
)
def test_lists_of_numbers_as_strings_mean_the_names_of_the_recipe(
    tmp_path: Path, task: Any, rows: list[Row], others: list[Row], names: list[str], column: str
) -> None:
    def spelled(some: list[Row]) -> list[Row]:
        return changed(numbered(some, names, column), column, lambda numbers: [*map(str, numbers)])

    splits = load(tmp_path, spelled(rows), spelled(others), task, labels=names)
    expected = load(tmp_path / "names", rows, others, task, labels=names)
    assert named(splits.test, names) == named(expected.test, names)


def test_yes_and_no_are_names(tmp_path: Path) -> None:
    train, test = (changed(rows, "label", lambda name: name == "food") for rows in (ROWS, OTHERS))
    splits = load(tmp_path, train, test)
    assert splits.label_names == ("false", "true")
    assert named(splits.test, splits.label_names) == {
        row["text"]: "true" if row["label"] == "food" else "false" for row in OTHERS
    }


def test_a_teacher_whose_names_are_the_numbers_is_matched_by_them() -> None:
    assert align(["2", "0", "1"], None, 3, named_by_recipe=False).tolist() == [1, 2, 0]
    with pytest.raises(DataError, match="numbers alone"):
        align(["1", "2", "3"], None, 3, named_by_recipe=False)  # stars: which number is which is a guess


def test_two_spellings_of_one_name_at_the_teacher_are_refused() -> None:
    with pytest.raises(DataError, match="no label for travel"):
        align(["Food", "food", "sport"], ("sport", "food", "travel"), 3, named_by_recipe=False)


UNPUBLISHED = {
    "single": (SINGLE, ROWS, changed(OTHERS, "label", -1), "label"),
    "floats": (SINGLE, ROWS, changed(OTHERS, "label", -1.0), "label"),
    "numbers": (NUMBER, _numbers(60, 1), changed(_numbers(30, 2), "label", -1.0), "label"),
    "alike": (ALIKE, _numbers(60, 1), changed(_numbers(30, 2), "label", -1.0), "label"),
    "several": (SEVERAL, numbered(SETS, NAMES, "labels"), changed(OTHER_SETS, "labels", [-1]), "labels"),
    "tags": (
        TAGGED,
        (numbered(WORDS, TAGS, "ner_tags"), kinds(WORDS, TAGS, "ner_tags")),
        changed(OTHER_WORDS, "ner_tags", lambda tags: [-1] * len(tags)),
        "ner_tags",
    ),
}


@pytest.mark.parametrize(("task", "train", "test", "column"), UNPUBLISHED.values(), ids=UNPUBLISHED)
def test_a_test_split_whose_labels_are_not_published_is_left_out(
    tmp_path: Path, task: Any, train: Any, test: list[Row], column: str
) -> None:
    splits = load(tmp_path, train, test, task)
    assert any("test is unlabelled (every label is -1)" in note for note in splits.notes)
    unseen = {str(row.get("text", row.get("sentence1", row.get("tokens")))) for row in test}
    assert not unseen & {str(text) for text in splits.test.texts}
    assert 10 <= len(splits.test) <= 12


def multi_hot(rows: list[Row], kind: Any) -> list[Row]:
    return changed(rows, "labels", lambda given: [kind(name in given) for name in NAMES])


@pytest.mark.parametrize("kind", [int, float, bool])
def test_a_one_for_every_label_is_read_where_the_labels_have_names(tmp_path: Path, kind: Any) -> None:
    splits = load(tmp_path, multi_hot(SETS, kind), multi_hot(OTHER_SETS, kind), SEVERAL, labels=NAMES)
    assert named(splits.test, NAMES) == named(
        load(tmp_path / "b", SETS, OTHER_SETS, SEVERAL, labels=NAMES).test, NAMES
    )


def test_a_one_for_every_label_without_names_has_as_many_labels_as_places(tmp_path: Path) -> None:
    train, test = (
        changed(multi_hot(rows, int), "labels", lambda ones: [*ones, 0]) for rows in (SETS, OTHER_SETS)
    )
    splits = load(tmp_path, train, test, SEVERAL)
    assert (splits.label_names, splits.label_count) == (None, 4)  # the last one is given to no row
    numbers = ["0", "1", "2", "3"]
    expected = load(tmp_path / "b", SETS, OTHER_SETS, SEVERAL, labels=NAMES)
    found = named(splits.test, numbers)
    assert found == {
        text: {str(NAMES.index(one)) for one in labels}
        for text, labels in named(expected.test, NAMES).items()
    }


def long_ago(cell: Any) -> Any:
    return None


REFUSED = {
    "a missing label": (SINGLE, one_changed(ROWS, "label", long_ago), OTHERS, ("1 of 60 labels", "row 5")),
    "a missing number": (
        NUMBER,
        one_changed(_numbers(60, 1), "label", long_ago),
        _numbers(30, 2),
        ("row 5 of train holds None", "finite number"),
    ),
    "no number": (
        NUMBER,
        one_changed(_numbers(60, 1), "label", float("nan")),
        _numbers(30, 2),
        ("row 5 of train holds nan", "finite number"),
    ),
    "one number": (NUMBER, changed(_numbers(60, 1), "label", 2.0), _numbers(30, 2), ("same number, 2",)),
    "yes as a number": (NUMBER, changed(_numbers(60, 1), "label", True), _numbers(30, 2), ("holds True",)),
    "one class": (SINGLE, changed(ROWS, "label", "food"), OTHERS, ("test has the label", "train has: food")),
    "one class everywhere": (
        SINGLE,
        changed(ROWS, "label", "food"),
        changed(OTHERS, "label", "food"),
        ("every row of train has the same label, food",),
    ),
    "a label that train lacks": (SINGLE, ROWS, one_changed(OTHERS, "label", "music"), ("test has the label music",)),
    "some labels unpublished": (
        SINGLE,
        one_changed(numbered(ROWS, NAMES), "label", -1),
        numbered(OTHERS, NAMES),
        ("-1",),
    ),
    "a missing list": (SEVERAL, one_changed(SETS, "labels", long_ago), OTHER_SETS, ("row 5 of train", "None")),
    "nothing in a list": (SEVERAL, one_changed(SETS, "labels", [None]), OTHER_SETS, ("row 5 of train has None",)),
    "more tags than tokens": (
        TAGGED,
        one_changed(WORDS, "ner_tags", lambda tags: [*tags, "O"]),
        OTHER_WORDS,
        ("row 5 of train has", "words and", "a tag for each word"),
    ),
    "no tags": (TAGGED, one_changed(WORDS, "ner_tags", long_ago), OTHER_WORDS, ("row 5 of train holds 'None'",)),
    "a missing token": (
        TAGGED,
        one_changed(WORDS, "tokens", lambda tokens: [None, *tokens[1:]]),
        OTHER_WORDS,
        ("row 5 of train", "no list of words"),
    ),
    "no tokens": (TAGGED, [*WORDS, {"tokens": [], "ner_tags": []}], OTHER_WORDS, ("row 61 of train has no words",)),
    "tags that nothing names": (
        TAGGED,
        numbered(WORDS, TAGS, "ner_tags"),
        numbered(OTHER_WORDS, TAGS, "ner_tags"),
        ("nothing says what numbers mean", "data.labels"),
    ),
    "no entity": (
        TAGGED,
        changed(WORDS, "ner_tags", lambda tags: ["O"] * len(tags)),
        OTHER_WORDS,
        ("O",),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("task", "train", "test", "says"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_is_refused_with_its_row(
    tmp_path: Path, task: Any, train: list[Row], test: list[Row], says: tuple[str, ...]
) -> None:
    with pytest.raises(DataError) as refused:
        load(tmp_path, train, test, task)
    told = f"{refused.value.found} {refused.value.expected} {refused.value.remedy}"
    assert not [piece for piece in says if piece not in told], told


def test_a_word_of_no_letters_keeps_its_place(tmp_path: Path) -> None:
    odd = one_changed(WORDS, "tokens", lambda tokens: ["\x00\u200b", *tokens[1:]])
    odd = one_changed(odd, "tokens", lambda tokens: ["", *tokens[1:]], place=6)
    random.Random(1).shuffle(odd)
    splits = load(tmp_path, odd, OTHER_WORDS, task_named("token-classification"))
    assert splits.train.labels is not None
    for text, words in zip(splits.train.texts, splits.train.labels.tolist(), strict=True):
        spans = [(start, end) for start, end, tag in words if tag >= 0]
        assert " ".join(str(text)[start:end] for start, end in spans) == text
