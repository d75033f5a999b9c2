"""The page: what others wrote is no markup, nothing is fetched or drawn empty, marks stand where they should."""

import re
import shutil
from collections.abc import Iterator
from html.parser import HTMLParser
from math import log10
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from full_report import LABELS, full_report
from hypothesis import given, settings
from hypothesis import strategies as st

from compress.judge.report import Report
from compress.page.axis import linear, logarithmic
from compress.page.fidelity import by_confidence, by_length, confusion, reliability
from compress.page.learning import curves
from compress.page.page import report_page
from compress.page.speed import spread, timed, trade

HOSTILE = "</style><script>alert(1)</script><img src=x onerror=alert(2)>\"'&amp;\u202e\x00"
LETTER = 6.6  # pixels, at 12.5 px in most sans-serif fonts


class Reader(HTMLParser):
    """What a browser makes of the page: elements, attributes, words."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.said = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.said += data

    @property
    def ids(self) -> list[str]:
        return [str(attributes["id"]) for _, attributes in self.elements if "id" in attributes]


def spoiled() -> Report:
    """Everything that people write is hostile."""
    document = full_report().model_dump()

    def spoil(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: spoil(inner) for name, inner in value.items()}
        if isinstance(value, list):
            return [spoil(inner) for inner in value]
        return HOSTILE if value in LABELS else value

    document = spoil(document)
    texts = {"reproduce": HOSTILE, "notes": [HOSTILE], "recipe": {"data": {"path": HOSTILE}}}
    document["machine"]["processor"] = HOSTILE
    document["versions"] = {HOSTILE: HOSTILE}
    document["rows"] = {HOSTILE: 3}
    document["generalization"][0]["name"] = HOSTILE
    document["ladder"][0] |= {"name": HOSTILE, "why": HOSTILE}
    document["gates"][0] |= {"name": HOSTILE, "message": HOSTILE}
    document["trainings"][0]["stage"] = HOSTILE
    document["exports"][0] |= {"name": HOSTILE, "reason": HOSTILE}
    return Report.model_validate(document | texts)


def test_what_others_wrote_is_no_markup() -> None:
    report = spoiled()
    page = Reader(report_page(HOSTILE, report))
    assert not {"script", "img", "iframe", "link", "object"} & {tag for tag, _ in page.elements}
    assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]
    assert [tag for tag, _ in page.elements].count("style") == 1
    assert page.said.count("<script>alert(1)</script>") > 10
    assert "\u202e" not in page.said
    assert "\x00" not in page.said


def test_the_page_is_one_file_that_fetches_nothing() -> None:
    page = report_page("tickets", full_report())
    assert not re.search(r"https?:|src=|href=|@import|url\(|<script|<link", page)
    assert page.count("prefers-color-scheme: dark") == 1
    assert "@media print" in page


def test_ids_are_unlike_and_every_drawing_is_told_in_words() -> None:
    report = full_report()
    page = Reader(report_page("tickets", report))
    assert len(page.ids) == len(set(page.ids))
    drawings = [attributes for tag, attributes in page.elements if tag == "svg"]
    assert len(drawings) == 8  # trade, spread, confusion, reliability, two of quarters, two trainings
    for attributes in drawings:
        assert attributes["role"] == "img"
        assert set(str(attributes["aria-labelledby"]).split()) <= set(page.ids)


def test_what_was_not_measured_is_left_out_and_not_drawn_empty(report: dict[str, Any]) -> None:
    """`report` is one as older versions wrote it."""
    page = Reader(report_page("old", Report.model_validate(report)))
    assert page.ids[:2] == ["gates", "models"]
    assert not {"confusion", "reliability", "training", "ladder", "invariance", "shifts", "exports"} & set(
        page.ids
    )
    assert {"trade", "spread", "notes", "again"} <= set(page.ids)
    assert "None" not in page.said
    assert "nan" not in page.said
    bare = full_report(
        metric=None,
        speedup=None,
        gates=[],
        generalization=[],
        trainings=[],
        notes=[],
        baseline=None,
        ladder=[],
    )
    without = {row.name: row.model_copy(update={"latency": {}}) for row in bare.models}
    page = Reader(report_page("bare", bare.model_copy(update={"models": list(without.values())})))
    assert not {"gates", "trade", "spread", "drawings", "shifts", "training", "notes", "ladder"} & set(
        page.ids
    )
    assert "None" not in page.said


def test_a_step_that_was_rolled_back_is_told_and_so_is_a_speed_that_proves_nothing() -> None:
    report = full_report()
    assert report.speedup is not None
    told = "attention rolled back: opset-23.onnx does not answer as the PyTorch model"
    changed = [one.model_copy(update={"chosen": True, "reason": told}) for one in report.exports]
    busy = report.speedup.model_copy(update={"rounds": 4})
    page = Reader(report_page("tickets", full_report(exports=changed, speedup=busy)))
    assert page.said.count(told) == len(changed) > 0
    assert "not proven: others were busy" in page.said
    assert "not proven" not in Reader(report_page("tickets", report)).said


def test_a_page_about_pairs_says_so() -> None:
    named = full_report(recipe={"data": {"columns": {"text": "premise", "text_pair": "hypothesis"}}})
    found = full_report(notes=["pairs of texts: sentence1 and sentence2"])
    for report in (named, found):
        said = Reader(report_page("pairs", report)).said
        assert "873 test rows, pairs of texts, on" in said
        assert "one pair at a time" in said
    assert "pair" not in Reader(report_page("single", full_report())).said


def all_drawings(report: Report) -> Iterator[ElementTree.Element]:
    found = report.fidelity
    drawn = [trade(report), spread(report), confusion(found, report.labels), reliability(found)]
    for one in [*drawn, by_confidence(found), by_length(found), *curves(report)]:
        assert one is not None
        yield ElementTree.fromstring(one.svg())


def many_labels() -> Report:
    labels = [f"intent {number}: something with a long name" for number in range(151)]
    flips = [{"teacher": labels[n], "shipped": labels[n + 1], "rows": 40 - n} for n in range(30)]
    found = full_report().fidelity.model_dump() | {"flips": flips, "alike": dict.fromkeys(labels, 5)}
    return full_report(labels=labels, fidelity=found)


def ten_labels() -> Report:
    labels = [f"label {number} is long" for number in range(10)]
    found = full_report().fidelity.model_dump() | {"flips": [], "alike": dict.fromkeys(labels, 1234)}
    return full_report(labels=labels, fidelity=found)


def crowded() -> Report:
    """Four models of nearly the same score, three of them nearly as fast as each other."""
    report = full_report()
    rows = []
    for row, (p50, size) in zip(
        report.models[1:], ((1.28, 3.8), (0.9, 2.7), (0.66, 2.6), (0.61, 0.8)), strict=True
    ):
        latency = row.latency["cpu"]["batch_1"].model_copy(update={"p50_ms": p50, "quantiles_ms": {}})
        update = {
            "size_mb": size,
            "score": 0.962,
            "score_ci": (0.95, 0.973),
            "latency": {"cpu": {"batch_1": latency}},
        }
        rows.append(row.model_copy(update=update))
    slow = report.models[0].model_copy(update={"score": 0.963, "score_ci": (0.951, 0.973)})
    return report.model_copy(update={"models": [slow, *rows]})


@pytest.mark.parametrize("make", [full_report, many_labels, ten_labels, crowded])
def test_no_text_lies_on_another_or_leaves_its_drawing(make: Any) -> None:
    for root in all_drawings(make()):
        _, _, width, height = map(float, root.get("viewBox", "").split())
        boxes: list[tuple[float, float, float, float, str]] = []
        for text in root.iter("text"):
            said = text.text or ""
            if not said or text.get("transform"):
                continue
            wide = 6.0 if text.get("class") in {"soft", "tick"} else LETTER
            size, x, y = wide * len(said), float(text.get("x", 0)), float(text.get("y", 0))
            left = x - size * {"start": 0, "middle": 0.5, "end": 1}[text.get("text-anchor", "start")]
            assert left >= -2, said
            assert left + size <= width + 4, said
            assert 0 < y <= height, said
            boxes.append((left, left + size, y - 9, y + 2, said))
        for place, one in enumerate(boxes):
            for other in boxes[place + 1 :]:
                apart = one[1] <= other[0] or other[1] <= one[0] or one[3] <= other[2] or other[3] <= one[2]
                assert apart, (one, other)


def test_marks_stand_where_their_values_say() -> None:
    report = full_report()
    drawing = trade(report)
    assert drawing is not None
    bubbles = [
        one
        for one in ElementTree.fromstring(drawing.svg()).iter("circle")
        if "bubble" in one.get("class", "")
    ]
    models = sorted(timed(report), key=lambda one: -one.row.size_mb)
    places = [(float(one.get("cx", 0)), float(one.get("cy", 0)), float(one.get("r", 0))) for one in bubbles]
    by_time = sorted(range(5), key=lambda number: models[number].latency.p50_ms)
    assert sorted(range(5), key=lambda number: places[number][0]) == by_time
    assert sorted(range(5), key=lambda number: -places[number][1]) == sorted(
        range(5), key=lambda number: models[number].row.score
    )
    for one, (_, _, radius) in zip(models, places, strict=True):  # areas, not radii
        assert (radius / places[0][2]) ** 2 == pytest.approx(
            one.row.size_mb / models[0].row.size_mb, rel=0.02
        )
    shipped = [one for one in bubbles if "ships" in one.get("class", "")]
    assert len(shipped) == 1


def test_the_confusion_table_holds_every_row_once() -> None:
    report = full_report()
    drawing = confusion(report.fidelity, report.labels)
    assert drawing is not None
    cells = [
        one.text or ""
        for one in ElementTree.fromstring(drawing.svg()).iter("text")
        if one.get("class") == "figure"
    ]
    rows = [[403, 27, 0], [0, 297, 3], [11, 0, 132]]
    assert cells == [str(value) for row in rows for value in row]
    assert sum(map(sum, rows)) == report.fidelity.rows


@settings(deadline=None, derandomize=True)
@given(st.lists(st.floats(1e-3, 1e4), min_size=1, max_size=6))
def test_axes_hold_their_values_and_ticks_in_order(values: list[float]) -> None:
    for axis in (linear(values, 0, 400), logarithmic(values, 0, 400)):
        assert len(axis.ticks) >= 2
        places = [axis.at(tick) for tick in axis.ticks]
        assert places == sorted(places)
        assert all(-1e-6 <= axis.at(value) <= 400 + 1e-6 for value in [*values, *axis.ticks])
        assert len({axis.shown(tick) for tick in axis.ticks}) == len(axis.ticks)
    (low, high) = (axis.at(0.1), axis.at(1.0))
    assert axis.at(10.0) - high == pytest.approx(high - low)
    assert (axis.at(10.0) - low) / 400 == pytest.approx(2 / (log10(axis.high) - log10(axis.low)))


def test_a_browser_shows_it_at_every_width_and_on_paper(tmp_path: Path) -> None:
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no chromium on this machine: apt-get install chromium")
    file = tmp_path / "report.html"
    file.write_text(report_page("tickets", spoiled()), encoding="utf-8")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(color_scheme="dark")
        asked, errors = [], []
        page.on("request", lambda request: asked.append(request.url))
        page.on("dialog", lambda dialog: errors.append(dialog.message))
        for width in (390, 820, 1280):
            page.set_viewport_size({"width": width, "height": 900})
            page.goto(file.as_uri())
            assert page.evaluate("document.documentElement.scrollWidth") <= width
        dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
        page.emulate_media(media="print")
        paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
        browser.close()
    assert set(asked) == {file.as_uri()}
    assert errors == []
    assert dark != paper == "rgb(255, 255, 255)"
