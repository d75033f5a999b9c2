"""The comparison in the terminal."""

from collections.abc import Callable
from io import StringIO

import pytest
from rich.console import Console

from compress.compare.report import Comparison
from compress.compare.table import render
from compress.compare.wording import duration, gain_span, p_value

Make = Callable[..., Comparison]
LONG = {"plain": 0.86, "general+tinybert+minilm+logits": 0.88, "theseus+logits": 0.83}


def printed(comparison: Comparison, width: int = 80) -> str:
    console = Console(width=width, no_color=True, file=StringIO())
    console.print(render(comparison))
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def cells(text: str, name: str) -> str:
    (line,) = [line for line in text.splitlines() if line.startswith(f"{name} ")]
    return " ".join(line.split())


def test_a_line_per_method_holds_every_figure(make_comparison: Make) -> None:
    comparison = make_comparison()
    text = printed(comparison)
    found = next(row for row in comparison.methods if row.name == "minilm+logits")
    assert found.gain is not None
    low, high = found.score_ci
    assert cells(text, "minilm+logits") == (
        f"minilm+logits * {found.score:.3f} [{low:.3f}, {high:.3f}] {100 * (found.agreement or 0):.1f} % "
        f"{gain_span(found.gain.value, found.gain.ci)} {p_value(found.gain.p_value)} 10 min"
    )
    assert cells(text, "teacher").endswith("] - - - 70 min")
    assert cells(text, "tf-idf").endswith("% - - 6 s")


def test_only_the_best_by_selection_is_marked(make_comparison: Make) -> None:
    marked = [line.split()[0] for line in printed(make_comparison()).splitlines() if " * " in line]
    assert marked == ["minilm+logits"]


def test_teacher_and_floor_stand_apart(make_comparison: Make) -> None:
    lines = [line.strip() for line in printed(make_comparison()).splitlines()]
    names = [line.split()[0] if line else "" for line in lines]
    start = names.index("teacher")
    assert names[start : start + 7] == ["teacher", "", "plain", "logits", "minilm+logits", "", "tf-idf"]


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("metric", ["accuracy", "matthews"])
def test_nothing_is_cut_off(make_comparison: Make, width: int, metric: str) -> None:
    for comparison in (
        make_comparison(metric=metric),
        make_comparison(LONG, seeds=(1, 2), metric=metric, notes=["word " * 60]),
    ):
        text = printed(comparison, width)
        assert max(map(len, text.splitlines())) <= width
        assert "…" not in text
        flat = "".join(text.split())
        for row in comparison.methods:
            assert f"{row.score:.3f} [{row.score_ci[0]:.3f}, {row.score_ci[1]:.3f}]" in text
            if row.gain is not None:
                assert gain_span(row.gain.value, row.gain.interval) in text
        assert "".join(comparison.sentence[1:].split()) in flat


def test_the_answer_comes_last(make_comparison: Make) -> None:
    comparison = make_comparison(notes=["a note"])
    assert " ".join(printed(comparison, 200).splitlines()[-1].split()) == "D" + comparison.sentence[1:]


def test_the_test_is_named(make_comparison: Make) -> None:
    assert "McNemar's exact test" in " ".join(printed(make_comparison()).split())
    several = " ".join(printed(make_comparison(seeds=(1, 2))).split())
    assert "means over 2 seeds" in several
    assert "rows and seeds resampled" in several
    assert "McNemar" not in several


def test_square_brackets_of_others_are_not_markup(make_comparison: Make) -> None:
    assert "[red]not red[/red] [/]" in printed(make_comparison(notes=["[red]not red[/red] [/]"]))


def test_without_labels_or_plain_student_it_prints(make_comparison: Make) -> None:
    text = printed(make_comparison({"logits": 0.9}))
    assert "None" not in text
    assert "Points over plain" not in text


def test_a_bound_beside_0_does_not_look_like_0() -> None:
    assert gain_span(0.008, (0.0004, 0.0156)) == "+0.80 [+0.04, +1.56]"
    assert gain_span(0.018, (0.006, 0.03)) == "+1.8 [+0.6, +3.0]"
    assert gain_span(0.0, (-0.01, 0.0)) == "0.0 [-1.0, 0.0]"


def test_figures_in_few_letters() -> None:
    assert [duration(seconds) for seconds in (None, 0.4, 99, 100, 5_900, 7_200)] == [
        "-",
        "0 s",
        "99 s",
        "2 min",
        "98 min",
        "2.0 h",
    ]
    assert [p_value(value) for value in (1e-9, 0.0123, 0.342, 1.0)] == ["<0.001", "0.012", "0.34", "1.00"]
