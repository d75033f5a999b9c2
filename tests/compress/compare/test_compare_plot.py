"""The comparison as a drawing and a page."""

import re
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest

from compress.compare.figure import figure
from compress.compare.plot import page, write_plot
from compress.compare.report import Comparison

Make = Callable[..., Comparison]
SVG = "{http://www.w3.org/2000/svg}"
LETTER = 8.5  # pixels, a wide one at 14 px
MANY = {
    "plain": 0.86,
    "general+tinybert+minilm+logits": 0.88,
    "x": 0.83,
    "theseus+logits": 0.83,
    "pkd+logits": 0.861,
    "minilm": 0.9,
}


def drawing(comparison: Comparison) -> ElementTree.Element:
    return ElementTree.fromstring(figure(comparison))


def texts(root: ElementTree.Element) -> list[tuple[float, float, str, str]]:
    """Where every text begins, its base line, what it says and its anchor."""
    return [
        (float(text.get("x", 0)), float(text.get("y", 0)), text.text or "", text.get("text-anchor", ""))
        for text in root.iter(f"{SVG}text")
    ]


def middle(root: ElementTree.Element, look: str) -> list[float]:
    return [
        float(dot.get("cx", 0)) for dot in root.iter(f"{SVG}circle") if look in dot.get("class", "").split()
    ]


def test_marks_stand_in_the_order_of_the_scores(make_comparison: Make) -> None:
    root = drawing(make_comparison(MANY))
    (plain,) = middle(root, "plain")
    students = dict(zip([name for name in MANY if name != "plain"], middle(root, "distilled"), strict=True))
    assert students["x"] < plain < students["minilm"]
    (line,) = [
        line
        for line in root.iter(f"{SVG}line")
        if line.get("class") == "plain-line" and line.get("x1") == f"{plain:.1f}"
    ]
    assert line.get("x1") == line.get("x2")


def test_gains_are_told_apart_by_more_than_colour(make_comparison: Make) -> None:
    root = drawing(make_comparison(MANY))
    looks = {look: len(middle(root, look)) for look in ("gain", "loss", "chance")}
    assert looks["gain"] >= 1
    assert looks["loss"] >= 1
    assert looks["chance"] >= 1
    assert sum(looks.values()) == len(MANY) - 1
    assert ".compare .chance { stroke: var(--other); fill: var(--paper); }" in figure(make_comparison())


@pytest.mark.parametrize("seeds", [(1,), (1, 2, 3)])
def test_no_text_lies_on_another_or_leaves_the_drawing(make_comparison: Make, seeds: tuple[int, ...]) -> None:
    root = drawing(make_comparison(MANY, seeds=seeds, metric="matthews"))
    _, _, width, height = map(float, root.get("viewBox", "").split())
    boxes = []
    for x, y, said, anchor in texts(root):
        size = len(said) * (LETTER if said in {*MANY, "teacher", "tf-idf"} else 6.9)
        left = x - size / 2 if anchor == "middle" else x
        assert left >= 0, said
        assert left + size <= width, said
        assert 0 < y < height, said
        boxes.append((left, left + size, y - 11, y + 3, said))
    for place, one in enumerate(boxes):
        for other in boxes[place + 1 :]:
            apart = one[1] <= other[0] or other[1] <= one[0] or one[3] <= other[2] or other[3] <= one[2]
            assert apart, (one, other)


def test_a_long_name_goes_on_in_a_second_line(make_comparison: Make) -> None:
    said = [text for _, _, text, _ in texts(drawing(make_comparison(MANY)))]
    start = said.index("general+tinybert+")
    assert said[start + 1] == "minilm+logits"


def test_every_mark_is_inside_the_drawing(make_comparison: Make) -> None:
    for methods in (MANY, {"plain": 0.86, "logits": 0.86}, {"logits": 0.99}):
        root = drawing(make_comparison(methods))
        _, _, width, height = map(float, root.get("viewBox", "").split())
        for line in root.iter(f"{SVG}line"):
            for key, most in (("x1", width), ("x2", width), ("y1", height), ("y2", height)):
                assert 0 <= float(line.get(key, -1)) <= most


def test_who_does_not_see_it_is_told(make_comparison: Make) -> None:
    comparison = make_comparison()
    root = drawing(comparison)
    assert root.get("role") == "img"
    title, description = root.find(f"{SVG}title"), root.find(f"{SVG}desc")
    assert title is not None
    assert description is not None
    assert root.get("aria-labelledby") == f"{title.get('id')} {description.get('id')}"
    assert title.text == comparison.sentence
    for row in comparison.methods:
        assert f"{row.name}: accuracy {row.score:.3f}" in str(description.text)


def test_the_page_is_one_file_that_fetches_nothing(make_comparison: Make, tmp_path: Path) -> None:
    comparison = make_comparison()
    path = write_plot(comparison, tmp_path)
    assert path == tmp_path / "compare.html"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["compare.html", "compare.svg"]
    text = path.read_text(encoding="utf-8").replace('xmlns="http://www.w3.org/2000/svg"', "")
    assert not re.search(r"https?:|src=|@import|url\(|<script|<link", text)
    assert text.count("prefers-color-scheme: dark") == 2  # the page and the drawing
    assert comparison.sentence[1:] in text
    for row in comparison.methods:
        assert f"{row.score:.3f} <small>[{row.score_ci[0]:.3f}, {row.score_ci[1]:.3f}]</small>" in text


def test_words_of_others_are_not_markup(make_comparison: Make) -> None:
    comparison = make_comparison(
        {"plain": 0.86, "<b>&": 0.9}, notes=["<script>alert(1)</script>"], reproduce="run '<x>'"
    )
    text = page(comparison)
    assert "<script" not in text
    assert "<b>" not in text
    assert "&lt;b&gt;&amp;" in text
    assert "<x>" not in text
    drawing(comparison)
