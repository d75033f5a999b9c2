"""Lines of text files: any line at any time, whatever ends it, in little memory; and what is refused."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from compress.errors import DataError
from compress.general import lines
from compress.general.lines import TextLines
from compress.general.prepare import HELD_OUT_AT_MOST, split_lines


def written(folder: Path, name: str, content: bytes) -> Path:
    (folder / name).write_bytes(content)
    return folder / name


def all_of(text: TextLines) -> list[str]:
    return [text[index] for index in range(len(text))]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("last", [True, False])
def test_lines_are_those_that_are_not_blank(end: str, last: bool, tmp_path: Path) -> None:
    content = ["first", "", "  naïve café 東京\t", "   ", "\u2003", "x", "", "last"]
    file = written(tmp_path, "a.txt", (end.join(content) + (end if last else "")).encode())
    text = TextLines([file])
    assert all_of(text) == ["first", "naïve café 東京", "x", "last"]
    chosen = np.array([1, 3])
    assert text.sizes(chosen).tolist() == [len("naïve café 東京".encode()), 4]


def test_lines_of_several_files_follow_each_other(tmp_path: Path) -> None:
    files = [
        written(tmp_path, name, content)
        for name, content in {"b.txt": b"\n1\n2", "a.txt": b"3\n", "c.txt": b"4\n\n5\n"}.items()
    ]
    text = TextLines(files)
    assert all_of(text) == ["1", "2", "3", "4", "5"]
    with pytest.raises(IndexError):
        text[5]
    with pytest.raises(IndexError):
        text[-1]


def test_a_byte_order_mark_is_no_text(tmp_path: Path) -> None:
    text = TextLines([written(tmp_path, "a.txt", b"\xef\xbb\xbffirst\nsecond\n")])
    assert all_of(text) == ["first", "second"]


def test_the_content_identifies_the_text_and_not_the_file(tmp_path: Path) -> None:
    first = TextLines([written(tmp_path, "a.txt", b"one\ntwo\n")])
    moved = TextLines([written(tmp_path, "b.txt", b"one\r\n\r\ntwo")])
    joined = TextLines([written(tmp_path, "c.txt", b"onetwo\n")])
    assert first.content == moved.content != joined.content


def test_what_is_kept_is_16_bytes_a_line_however_long_the_lines_are(tmp_path: Path) -> None:
    def peak_and_kept(count: int, width: int) -> tuple[int, int]:
        file = tmp_path / "large.txt"
        with file.open("wb") as stream:
            for number in range(count):
                stream.write(b"%0*d\n" % (width, number))
        tracemalloc.start()
        text = TextLines([file])
        kept, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert text[count - 1] == f"{count - 1:0{width}d}"
        return peak, kept

    few, more = peak_and_kept(20_000, 200), peak_and_kept(60_000, 200)
    for before, after in zip(few, more, strict=True):
        assert after - before < 40_000 * 16 * 1.5  # arrays that grow hold some room
    assert peak_and_kept(20_000, 600)[0] < few[0] + 100_000


def test_what_is_held_out_is_nowhere_learnt_from(tmp_path: Path) -> None:
    # every text stands there twice, some with other space around
    content = "".join(f"text {number}\n  text {number} \n" for number in range(300))
    text = TextLines([written(tmp_path, "a.txt", content.encode())])
    teaching, held_out = split_lines(text, seed=3, share=0.1, most=None)
    assert len(held_out) == 60
    assert len(teaching) > 450
    assert not {text[int(line)] for line in teaching} & {text[int(line)] for line in held_out}
    again = split_lines(text, seed=3, share=0.1, most=None)
    assert np.array_equal(again[0], teaching)
    assert np.array_equal(again[1], held_out)
    assert not np.array_equal(split_lines(text, seed=4, share=0.1, most=None)[1], held_out)


def test_max_lines_is_a_sample_of_all_lines(tmp_path: Path) -> None:
    text = TextLines([written(tmp_path, "a.txt", "".join(f"{n}\n" for n in range(1_000)).encode())])
    teaching, held_out = split_lines(text, seed=3, share=0.05, most=200)
    assert (len(teaching), len(held_out)) == (190, 10)
    assert teaching.max() > 900
    assert teaching.min() < 100


def test_no_more_are_held_out_than_measuring_needs(tmp_path: Path) -> None:
    text = TextLines([written(tmp_path, "a.txt", b"".join(b"%d\n" % n for n in range(9_000)))])
    teaching, held_out = split_lines(text, seed=3, share=0.5, most=None)
    assert (len(teaching), len(held_out)) == (9_000 - HELD_OUT_AT_MOST, HELD_OUT_AT_MOST)


@pytest.mark.parametrize("content", [b"only one\n", b"same\nsame\nsame\n"])
def test_a_text_too_small_to_hold_anything_out_is_refused(content: bytes, tmp_path: Path) -> None:
    text = TextLines([written(tmp_path, "a.txt", content)])
    with pytest.raises(DataError, match="nothing is left to learn from"):
        split_lines(text, seed=3, share=0.02, most=None)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.txt", b"", "a.txt holds no text"),
        ("a.txt", b"\n \r\n\t\n", "a.txt holds no text"),
        ("a.txt", b"fine\n\xe9t\xe9\n", "line 2 of .*a.txt is not UTF-8 text"),
        ("a.csv", b"text\nx\n", "a.csv is a csv file"),
        ("a.txt.gz", b"\x1f\x8b", "a.txt.gz is packed"),
        ("a.raw", b"x" * 60 + b"\n", "line 1 of .*a.raw has more than 50 bytes"),
    ],
)
def test_what_is_no_text_is_refused(
    name: str, content: bytes, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "LONGEST", 50)
    with pytest.raises(DataError, match=says):
        TextLines([written(tmp_path, name, content)])


def test_a_file_that_may_not_be_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(DataError, match="cannot be read: Permission denied"):
        TextLines([tmp_path / "a.txt"])
