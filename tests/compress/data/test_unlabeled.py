"""Texts without labels: every format, in order, once each; streams that fit in memory and start again."""

import json
from pathlib import Path

import datasets
import pytest
from tiny import write_csv

from compress.data.unlabeled import read_unlabeled
from compress.errors import DataError

TEXTS = ["zebra first", "naïve café 東京", "NA", "a, quoted, text"]


def write_as(suffix: str, folder: Path, texts: list[str]) -> Path:
    file = folder / f"rows.{suffix}"
    if suffix == "txt":
        file.write_text("\n".join(texts), encoding="utf-8")
    elif suffix == "csv":
        write_csv(file, [(text, "x") for text in texts], ("sentence", "topic"))
    elif suffix == "tsv":
        file.write_text("sentence\ttopic\n" + "".join(f"{text}\tx\n" for text in texts), encoding="utf-8")
    elif suffix == "parquet":
        table = datasets.Dataset.from_dict({"sentence": texts, "topic": ["x"] * len(texts)})
        table.to_parquet(str(file))
    elif suffix == "jsonl":
        file.write_text("".join(json.dumps({"sentence": text}) + "\n" for text in texts), encoding="utf-8")
    else:
        file.write_text(json.dumps([{"sentence": text} for text in texts]), encoding="utf-8")
    return file


@pytest.mark.parametrize("suffix", ["txt", "csv", "tsv", "parquet", "jsonl", "json"])
def test_every_format_gives_the_same_texts(suffix: str, tmp_path: Path) -> None:
    messy = [TEXTS[0], f"  {TEXTS[1]} ", "", TEXTS[2], "   ", TEXTS[0], TEXTS[3]]
    file = write_as(suffix, tmp_path, messy)
    assert read_unlabeled([str(file)], None) == TEXTS
    assert read_unlabeled([str(file)], "sentence") == TEXTS


def test_files_are_read_in_order_and_each_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, texts in {"b.txt": "two\nshared", "a.txt": "one\nshared", "deep/c.txt": "three"}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(texts)
    (tmp_path / "folder.txt").mkdir()
    monkeypatch.chdir(tmp_path)
    assert read_unlabeled(["*.txt"], None) == ["one", "shared", "two"]
    assert read_unlabeled(["b.txt", "*.txt"], None) == ["two", "shared", "one"]
    assert read_unlabeled(["**/*.txt"], None) == ["one", "shared", "two", "three"]
    assert read_unlabeled([str(tmp_path / "deep" / "*")], None) == ["three"]


def test_a_name_with_brackets_is_a_file_before_it_is_a_pattern(tmp_path: Path) -> None:
    (tmp_path / "part[1].txt").write_text("here")
    assert read_unlabeled([str(tmp_path / "part[1].txt")], None) == ["here"]


def test_line_ends_of_every_system_and_a_byte_order_mark(tmp_path: Path) -> None:
    file = tmp_path / "lines.txt"
    file.write_bytes(b"\xef\xbb\xbfone\r\ntwo\rthree\n" + "fo\u2028ur\n".encode())
    assert read_unlabeled([str(file)], None) == ["one", "two", "three", "fo\u2028ur"]


def test_no_file_names_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "extra.txt").write_text("x")
    with pytest.raises(DataError) as caught:
        read_unlabeled([str(tmp_path / "extras.txt")], None)
    assert "no file matches" in caught.value.found
    assert "parquet" in caught.value.expected
    assert caught.value.remedy == f"did you mean {tmp_path / 'extra.txt'}?"
    with pytest.raises(DataError, match=r"holds extra\.txt"):
        read_unlabeled([str(tmp_path / "*.csv")], None)
    with pytest.raises(DataError, match="no file matches"):
        read_unlabeled([str(tmp_path / "nowhere" / "*.txt")], None)


@pytest.mark.parametrize(
    ("name", "content", "found"),
    [
        ("latin.txt", "fine\ncafé\n".encode("latin1"), "is not UTF-8 text"),
        ("latin.csv", b"text\n" + "café\n".encode("latin1") * 3, "is not UTF-8 text"),
        ("empty.txt", b"", "holds no text"),
        ("blank.txt", b" \n\n\t\n", "holds no text"),
        ("blank.csv", b'text,label\n"",a\n" ",b\n', "holds no text"),
        ("page.html", b"<p>x</p>", "ends in .html"),
        ("numbers.csv", b"text,label\n1,a\n2,b\n", "holds int values, not text"),
        ("wide.csv", b"left,right\na,b\n", "none is clearly the text"),
        ("long.txt", b"short\n" + b"x" * 100_001, "line 2 of"),
        ("padded.txt", b"x" + b" " * 200_000 + b"x", "more than 100,000 characters"),
        ("half.jsonl", b'{"text": "fine"}\n{"text": "\\ud800"}\n', "half"),
    ],
)
def test_what_cannot_be_read_is_said_with_its_file(
    name: str, content: bytes, found: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_unlabeled([str(tmp_path / name)], None)
    assert found in caught.value.found
    assert name in caught.value.found
    assert caught.value.expected
    assert caught.value.remedy


def test_a_folder_and_a_missing_column_are_said(tmp_path: Path) -> None:
    write_csv(tmp_path / "rows.csv", [("a text", "x")], ("sentences", "label"))
    with pytest.raises(DataError, match=r"is a folder.*\n?.*\n?.*\*\.txt"):
        read_unlabeled([str(tmp_path)], None)
    with pytest.raises(DataError, match="none is 'sentence'") as caught:
        read_unlabeled([str(tmp_path / "rows.csv")], "sentence")
    assert caught.value.remedy == "rename the column 'sentences' in it"
