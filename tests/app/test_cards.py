"""The head of the page shows the report's figures, and only those that are there."""

import copy
import re
from typing import Any

import pytest

from app.cards import cards


def words(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


def test_the_figures_are_those_of_the_report(report: dict[str, Any]) -> None:
    shown = words(cards(report, "tiny-sentiment"))
    for figure in [
        "tiny-sentiment",
        "Passed",
        "14.2\u00d7",
        "13.1\u00d7 to 15.0\u00d7",
        "98.0%",
        "96.3% to 99.7%",
        "94.7%",
        "91.2% 89.2% to 93.0%",
        "267.8 MB 17.6 MB 15.2\u00d7 smaller",
        "Test Processor 9000, 2026-11-21, 872 rows",
    ]:
        assert figure in shown
    # The row of the shipped file, at the threads of the speed-up; not the student in PyTorch.
    assert "Latency p50, 1 thread 34.24 ms 2.10 ms 14.2\u00d7 as fast" in shown


@pytest.mark.parametrize(("verdict", "word"), [("fail", "Failed"), ("inconclusive", "Inconclusive")])
def test_a_verdict_that_is_no_pass_says_why(report: dict[str, Any], verdict: str, word: str) -> None:
    changed = copy.deepcopy(report)
    changed["verdict"] = changed["gates"][0]["status"] = verdict
    shown = words(cards(changed, "t"))
    assert word in shown
    assert "Passed" not in shown
    assert shown.index("keeps 98.0 %") < shown.index("Speed-up")


def test_what_was_not_measured_is_left_out(report: dict[str, Any]) -> None:
    changed = copy.deepcopy(report)
    changed.update(speedup=None, metric=None)
    changed["fidelity"].update(retention=None, retention_ci=None)
    for model in changed["models"]:
        model["latency"] = {}
    shown = words(cards(changed, "t"))
    assert "Agreement 94.7%" in shown
    for absent in ("Speed-up", "Retention", "Latency", "None", "nan"):
        assert absent not in shown
    assert "Passed" not in cards({}, "an empty report")


def test_nothing_in_a_report_becomes_markup(report: dict[str, Any]) -> None:
    evil = "<img src=x onerror=alert(1)>"
    changed = copy.deepcopy(report)
    changed.update(task=evil, metric=evil, verdict=evil, created=evil, notes=[evil])
    changed["machine"]["processor"] = evil
    for gate in changed["gates"]:
        gate.update(name=evil, status=evil, message=evil)
    for model in changed["models"]:
        model["precision"] = evil
    changed["shipped"] = f"onnx-{evil}"
    html = cards(changed, evil)
    assert "<img" not in html
    assert html.count("&lt;img") > 8
