"""A csv file comes back with both answers, and a bad one with our words."""

import csv
from pathlib import Path

import pytest

from app.batch import MOST_BYTES, MOST_ROWS, Counted, answer_file
from app.comparer import Comparer
from app.rows import Row
from app.views.batch import batch
from serve.errors import InputError
from serve.runtime import OnnxRuntime


@pytest.fixture
def comparer(student: OnnxRuntime, rows: list[Row]) -> Comparer:
    return Comparer(student, None, rows)


def write(folder: Path, content: str) -> Path:
    path = folder / "films.csv"
    path.write_text(content, encoding="utf-8")
    return path


def test_each_row_gets_both_answers(comparer: Comparer, student: OnnxRuntime, tmp_path: Path) -> None:
    source = write(
        tmp_path, f"id,text\n1,a warm story of no plot\n2,never stored\n3,a good film\n4,{'film ' * 40}\n"
    )
    seen: list[tuple[int, int]] = []
    done = answer_file(comparer, source, tmp_path / "out.csv", progress=lambda *rows: seen.append(rows))
    with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as stream:
        found = list(csv.DictReader(stream))
    assert [row["teacher_label"] for row in found] == ["negative", "", "positive", ""]
    assert [row["teacher_score"] for row in found] == ["0.6900", "", "0.9700", ""]
    assert [row["agree"] for row in found] == ["false", "", "true", ""]
    assert [row["truncated"] for row in found] == ["false", "false", "false", "true"]
    expected = student.predict([row["text"] for row in found])
    assert [row["student_label"] for row in found] == [answer.label for answer in expected]
    assert [row["student_score"] for row in found] == [f"{answer.score:.4f}" for answer in expected]
    assert (done.rows, done.compared, done.agreed, seen) == (4, 2, 1, [(4, 4)])
    shown = batch(done, ["Text"])
    assert "agree on 1 of 2 (50.0%)" in shown
    assert "--teacher MODEL" in shown


def test_what_a_spreadsheet_would_run_is_disarmed(comparer: Comparer, tmp_path: Path) -> None:
    source = write(tmp_path, 'text,=cmd()\n"=HYPERLINK(""http://x"")",@sum\n')
    done = answer_file(comparer, source, tmp_path / "out.csv")
    with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as stream:
        for cell in (cell for line in csv.reader(stream) for cell in line):
            assert not cell.startswith(("=", "+", "-", "@"))
    assert "<b>" not in batch(Counted(1, 0, 0, done.head), ["Text"]).partition("<table>")[2]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "films.csv is empty"),
        ("a,b\n1,2\n", "a column 'text' or 'sentence'"),
        ('text\n"never closed\n', "films.csv, line"),
        ("text,agree\nx,y\n", "already has the column 'agree'"),
        ("text\n" + "x\n" * (MOST_ROWS + 1), "films.csv has 2,001 rows"),
        ("text\n" + "x" * MOST_BYTES, "films.csv has 2,000,005 bytes"),
    ],
)
def test_a_bad_file_is_refused_by_its_name_alone(
    comparer: Comparer, tmp_path: Path, content: str, message: str
) -> None:
    target = tmp_path / "out.csv"
    with pytest.raises(InputError) as caught:
        answer_file(comparer, write(tmp_path, content), target)
    assert message in str(caught.value)
    assert str(tmp_path) not in str(caught.value)
    assert not target.exists()
