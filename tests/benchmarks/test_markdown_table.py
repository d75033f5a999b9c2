"""The tables of docs/results.md, from a report."""

from pathlib import Path

import pytest
from full_report import full_report
from markdown_table import ladder, main


def test_the_ladder_has_a_row_for_each_rung_and_says_which_ships(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = full_report()
    (tmp_path / "report.json").write_text(report.model_dump_json())
    main(tmp_path / "report.json")
    lines = capsys.readouterr().out.splitlines()
    head = next(number for number, line in enumerate(lines) if line.startswith("| quantiser |"))
    rows = lines[head + 2 : head + 2 + len(report.ladder)]
    assert [row.count("|") for row in rows] == [lines[head].count("|")] * len(report.ladder)
    assert "dynamic int8, 2 nodes in float" in rows[1]
    assert ["**ships**" in row for row in rows] == [False, True, False]
    assert "lost 2.1 points" in rows[2]
    assert ladder(full_report(ladder=[])) == []
