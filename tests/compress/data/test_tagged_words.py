"""Words with tags: schemes as seqeval reads them, offsets of the words in their text, refusals."""

import json
import random
from pathlib import Path
from typing import Any

import pytest
from seqeval.scheme import BILOU, IOB1, IOB2, IOBES, Entities

from compress.data.load import load_splits
from compress.data.tag_schemes import as_iob2, iob2_names, scheme_of
from compress.errors import DataError
from compress.recipe import DataOptions
from compress.tasks import task_named
from compress.tasks.words import joined

TASK = task_named("token-classification")
Span = tuple[str, int, int]


def _random_entities(drawn: random.Random) -> tuple[int, list[Span]]:
    spans: list[Span] = []
    at = drawn.randint(0, 2)
    for _ in range(drawn.randint(1, 5)):
        end = at + drawn.randint(1, 4)
        spans.append((drawn.choice(("PER", "LOC")), at, end))
        at = end + drawn.choice((0, 0, 1, 3))
    return at + 1, spans


def _tags(length: int, spans: list[Span], scheme: str) -> list[str]:
    """The entities in a scheme, as its definition has it."""
    tags = ["O"] * length
    before: tuple[str, int] | None = None
    for place, (kind, start, end) in enumerate(spans):
        touches = before == (kind, start)
        follows = place + 1 < len(spans) and spans[place + 1][:2] == (kind, end)
        last, alone = {"IOBES": ("E", "S"), "BILOU": ("L", "U"), "BMES": ("E", "S")}.get(scheme, ("", ""))
        for word in range(start, end):
            prefix = "M" if scheme == "BMES" else "I"
            if word == start and (
                scheme in {"IOB2", "IOBES", "BILOU", "BMES"} or (scheme == "IOB1" and touches)
            ):
                prefix = "B"
            if word == end - 1 and last:
                prefix = alone if end - start == 1 else last
            if word == end - 1 and scheme == "IOE" and follows:
                prefix = "E"
            tags[word] = f"{prefix}-{kind}"
        before = (kind, end)
    return tags


def _entities(tags: list[str], scheme: Any) -> list[Span]:
    return [(one.tag, one.start, one.end) for one in Entities([tags], scheme).entities[0]]


@pytest.mark.parametrize(
    ("name", "scheme"), [("IOB1", IOB1), ("IOBES", IOBES), ("BILOU", BILOU), ("IOE", None), ("BMES", None)]
)
def test_other_schemes_are_read_as_the_same_entities(name: str, scheme: Any) -> None:
    """Seqeval has no BMES, and its IOE1 misses an E that begins a row."""
    drawn = random.Random(1)
    rows = [_random_entities(drawn) for _ in range(60)]
    written = [_tags(length, spans, name) for length, spans in rows]
    assert scheme_of({tag for tags in written for tag in tags}, written) == name
    for tags, (_, spans) in zip(written, rows, strict=True):
        assert (
            _entities(as_iob2(tags), IOB2) == (spans if scheme is None else _entities(tags, scheme)) == spans
        )


def test_iob2_and_io_are_told_apart() -> None:
    assert scheme_of(["O", "B-X", "I-X"], [["O", "B-X", "I-X"]]) == "IOB2"
    assert scheme_of(["O", "B-X", "I-X"], [["O", "I-X", "B-X"]]) == "IOB1"
    assert scheme_of(["O", "I-X"], [["O", "I-X", "I-X"]]) == "IO"
    assert as_iob2(["I-X", "I-X", "I-Y", "O", "I-Y"]) == ["B-X", "I-X", "B-Y", "O", "B-Y"]
    assert iob2_names(["I-X", "S-A", "O"]) == ("O", "B-A", "I-A", "B-X", "I-X")


@pytest.mark.parametrize("names", [["NOUN", "VERB"], ["O", "PER", "LOC"], ["O", "B-X", "Q-X"], ["O"]])
def test_what_is_no_tagging_scheme_is_refused(names: list[str]) -> None:
    with pytest.raises(DataError, match="no tagging scheme") as refused:
        scheme_of(names, [names])
    assert "B-TYPE and I-TYPE" in str(refused.value)


def test_a_text_holds_its_words_where_they_are_said_to_stand() -> None:
    words = [
        "Ada",
        "\U0001f469\u200d\U0001f680",
        "cafe\u0301",
        "\u05e9\u05dc\u05d5\u05dd",
        "\u5317",
        "\u4eac",
        "x",
        "New York",
        ".",
    ]
    text, spans = joined(words)
    assert [text[start:end] for start, end in spans] == words
    assert text.endswith("\u5317\u4eac x New York .")


def _write(folder: Path, rows: list[dict[str, Any]], count: int = 30) -> DataOptions:
    folder.mkdir(exist_ok=True)
    lines = [json.dumps(rows[place % len(rows)]) + "\n" for place in range(count)]
    (folder / "train.jsonl").write_text("".join(lines), encoding="utf-8")
    return DataOptions(path=str(folder))


ROW = {"id": "1", "tokens": ["Ada", "met", "Grace"], "ner_tags": ["B-PER", "O", "B-PER"]}


def test_columns_are_found_and_tags_named(tmp_path: Path) -> None:
    splits = load_splits(_write(tmp_path / "names", [ROW]), 1, TASK)
    assert splits.label_names == ("O", "B-PER", "I-PER")
    assert splits.train.texts[0] == "Ada met Grace"
    assert splits.train.labels is not None
    assert splits.train.labels[0].tolist() == [[0, 3, 1], [4, 7, 0], [8, 13, 1]]
    numbered = {**ROW, "ner_tags": [2, 0, 2]}
    options = _write(tmp_path / "numbers", [numbered])
    (tmp_path / "numbers" / "labels.json").write_text('["O", "I-PER", "B-PER"]')
    splits = load_splits(options, 1, TASK)
    assert splits.label_names == ("O", "I-PER", "B-PER")
    assert splits.train.labels is not None
    assert splits.train.labels[0, :, 2].tolist() == [2, 0, 2]


def test_csv_cells_hold_lists_as_json(tmp_path: Path) -> None:
    cells = '"[""Ada"", ""met"", ""Grace""]","[""I-PER"", ""O"", ""I-PER""]"\n'
    (tmp_path / "train.csv").write_text("tokens,ner_tags\n" + cells * 30)
    splits = load_splits(DataOptions(path=str(tmp_path)), 1, TASK)
    assert splits.train.labels is not None
    assert splits.label_names == ("O", "B-PER", "I-PER")  # IO is read as IOB2
    assert splits.train.labels[0, :, 2].tolist() == [1, 0, 1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ner_tags": ["B-PER", "O"]}, "row 1 of train has 3 words and 2 tags"),
        ({"tokens": "Ada met Grace"}, "row 1 of train holds no list of words"),
        ({"tokens": ["", "", ""]}, "row 1 of train has no words"),
        ({"ner_tags": ["O", "O", "O"]}, "no tagging scheme"),
        ({"ner_tags": [1, 0, 1]}, "nothing says what numbers mean"),
        ({"ner_tags": "B-PER O B-PER"}, "in the column 'ner_tags'"),
    ],
)
def test_rows_that_cannot_be_read(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        load_splits(_write(tmp_path, [{**ROW, **change}]), 1, TASK)
