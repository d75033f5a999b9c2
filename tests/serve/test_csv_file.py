"""A CSV file keeps its cells and gains the answers, or is not written at all."""

import csv
from pathlib import Path

import pytest

from serve.csv_file import predict_csv
from serve.errors import InputError
from serve.runtime import OnnxRuntime


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as stream:
        return list(csv.DictReader(stream))


def answered(
    runtime: OnnxRuntime, tmp_path: Path, content: str | bytes, **options: str
) -> list[dict[str, str]]:
    source = tmp_path / "in.csv"
    source.write_bytes(content.encode() if isinstance(content, str) else content)
    predict_csv(runtime, source, tmp_path / "out.csv", **options)
    return read(tmp_path / "out.csv")


def refusal(runtime: OnnxRuntime, tmp_path: Path, content: str | bytes, **options: str) -> str:
    target = tmp_path / "out.csv"
    target.write_text("before")
    with pytest.raises(InputError) as caught:
        answered(runtime, tmp_path, content, **options)
    assert target.read_text() == "before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.csv", "out.csv"]
    return str(caught.value)


def test_cells_come_back_as_they_were(runtime: OnnxRuntime, tmp_path: Path) -> None:
    texts = ["a good film", 'he said "awful, dull"', "two\nlines", "電影 🎬", "  ", ""]
    with (tmp_path / "in.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["id", "text", "näme"])
        writer.writerows([number, text, "x,y"] for number, text in enumerate(texts))
    seen: list[tuple[int, int]] = []
    rows = predict_csv(
        runtime, tmp_path / "in.csv", tmp_path / "out.csv", progress=lambda *done: seen.append(done)
    )
    found = read(tmp_path / "out.csv")
    assert rows == len(texts)
    assert [row["text"] for row in found] == texts
    assert {row["näme"] for row in found} == {"x,y"}
    expected = runtime.predict(texts)
    assert [row["predicted_label"] for row in found] == [answer.label for answer in expected]
    assert [row["score"] for row in found] == [f"{answer.score:.4f}" for answer in expected]
    assert seen == [(6, 6)]


def test_long_files_are_answered_in_chunks(runtime: OnnxRuntime, tmp_path: Path, texts: list[str]) -> None:
    source = tmp_path / "in.csv"
    with source.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["sentence", "n"])
        writer.writerows([texts[number % 10], number] for number in range(700))
    seen: list[tuple[int, int]] = []
    predict_csv(runtime, source, tmp_path / "out.csv", progress=lambda *done: seen.append(done))
    found = read(tmp_path / "out.csv")
    assert seen == [(256, 700), (512, 700), (700, 700)]
    assert [int(row["n"]) for row in found] == list(range(700))
    labels = [answer.label for answer in runtime.predict(texts)]
    assert [row["predicted_label"] for row in found] == [labels[number % 10] for number in range(700)]
    assert {row["truncated"] for row in found} == {"true", "false"}


def test_byte_order_mark_is_no_part_of_the_column_and_is_kept(runtime: OnnxRuntime, tmp_path: Path) -> None:
    found = answered(runtime, tmp_path, b"\xef\xbb\xbftext\na good film\n")
    assert found[0]["text"] == "a good film"
    assert (tmp_path / "out.csv").read_bytes().startswith(b"\xef\xbb\xbftext,")


def test_formulas_are_disarmed_and_numbers_are_not(runtime: OnnxRuntime, tmp_path: Path) -> None:
    content = 'text,a,b,c,d\n"=HYPERLINK(""http://x"")",-1.5,+cmd,@sum,-2e3\n'
    (row,) = answered(runtime, tmp_path, content)
    assert row["text"] == '\'=HYPERLINK("http://x")'
    assert (row["a"], row["b"], row["c"], row["d"]) == ("-1.5", "'+cmd", "'@sum", "-2e3")


def test_which_column_is_read(runtime: OnnxRuntime, tmp_path: Path) -> None:
    for header, options, expected in [
        ("sentence,text", {}, 1),
        ("other,sentence", {}, 1),
        ("text,other", {"column": "other"}, 1),
    ]:
        (row,) = answered(runtime, tmp_path, f"{header}\nawful,great\n", **options)
        assert row["predicted_label"] == ["negative", "positive"][expected]
    (row,) = answered(runtime, tmp_path, "whatever\nawful\n")
    assert row["predicted_label"] == "negative"


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        ("", {}, "is empty"),
        ("\n\n", {}, "is empty"),
        ("a,b\n1,2\n", {}, "'a', 'b'"),
        ("text,b\n1,2\n", {"column": "title"}, "'title'"),
        ("text,b\nx,y\nz\n", {}, "line 3: 1 cells"),
        ("text,score\nx,1\n", {}, "already has the column 'score'"),
        ("text,text\nx,1\n", {}, "twice"),
        ("text;label\nx;1\n", {}, "separated by commas"),
        (b"text\ncaf\xe9\n", {}, "not UTF-8"),
        ('text\n"never closed\nmore\n', {}, "unexpected end of data"),
        ("text\n" + "x" * 100_001 + "\n", {}, "line 2: a text of 100,001 characters"),
    ],
)
def test_faults_are_named_and_nothing_is_written(
    runtime: OnnxRuntime, tmp_path: Path, content: str | bytes, options: dict[str, str], message: str
) -> None:
    assert message in refusal(runtime, tmp_path, content, **options)


def test_paths_are_checked(runtime: OnnxRuntime, tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    with pytest.raises(InputError, match="is no file"):
        predict_csv(runtime, source, tmp_path / "out.csv")
    source.write_text("text\ngood\n")
    with pytest.raises(InputError, match="the input itself"):
        predict_csv(runtime, source, source)
    with pytest.raises(InputError, match="cannot be written"):
        predict_csv(runtime, source, tmp_path / "nowhere" / "out.csv")


def test_a_failure_in_the_middle_leaves_what_was_there(tmp_path: Path) -> None:
    class Failing:
        def predict(self, inputs: list[str]) -> list:
            raise RuntimeError("broke")

    source, target = tmp_path / "in.csv", tmp_path / "out.csv"
    source.write_text("text\ngood\n")
    target.write_text("before")
    with pytest.raises(RuntimeError):
        predict_csv(Failing(), source, target)
    assert target.read_text() == "before"
    assert len(list(tmp_path.iterdir())) == 2


def test_only_a_header_gives_only_a_header(runtime: OnnxRuntime, tmp_path: Path) -> None:
    assert answered(runtime, tmp_path, "text\n") == []
    assert (tmp_path / "out.csv").read_text() == "text,predicted_label,score,truncated\n"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_a_wide_file_is_named_for_what_it_is(runtime: OnnxRuntime, tmp_path: Path, encoding: str) -> None:
    told = refusal(runtime, tmp_path, "text\r\na good film\r\nein guter Film\r\n".encode(encoding))
    assert f"is {encoding[:6].upper()}" in told
    assert f"iconv -f {encoding[:6]} -t utf-8" in told


def test_zeros_alone_make_no_file_wide(runtime: OnnxRuntime, tmp_path: Path) -> None:
    (row,) = answered(runtime, tmp_path, "text\n" + "\x00" * 300 + "\n")
    assert row["text"] == "\x00" * 300
