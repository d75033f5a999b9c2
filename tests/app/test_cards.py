"""The head of the page and its figures show the report, and only what is there."""

import copy
import re
from typing import Any

import pytest

from app.views.cards import head
from app.views.reliability import reliability
from app.views.table import figures
from compress.judge.report import MIN_CLEAN_ROUNDS


def words(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


def test_the_figures_are_those_of_the_report(report: dict[str, Any]) -> None:
    top = words(head(report, "tiny-sentiment"))
    for figure in [
        "tiny-sentiment",
        "Passed",
        "Accuracy 89.4% 87.4% to 91.2% teacher 91.2% 98.0% kept, 96.3% to 99.7%",
        "Agreement 94.7%",
        "14.2\u00d7 as fast 13.1\u00d7 to 15.0\u00d7, 1 thread p50 2.10 ms, teacher 34.24 p95",
        "p95 1.70 ms, teacher 27.82 477 texts/s, teacher 29",
        "17.6 MB 15.2\u00d7 smaller teacher 267.8 MB 4.40 M parameters, teacher 66.95 M",
        "\u2713 retention at least 0.95 \u2713 speedup at least 2 \u2713 size at most 20 MB",
        "Test Processor 9000, 2026-11-21, 872 test rows",
    ]:
        assert figure in top
    # The row of the shipped file, at the threads of the speed-up; not the student in PyTorch.
    table = words(figures(report))
    for figure in [
        "91.2% 89.2% to 93.0%",
        "267.8 MB 17.6 MB 15.2\u00d7 smaller",
        "Latency p50, 1 thread 34.24 ms 2.10 ms 14.2\u00d7 as fast 13.1\u00d7 to 15.0\u00d7",
        "Latency p95, 1 thread 27.82 ms 1.70 ms 16.3\u00d7 as fast",
        "Throughput, one by one 29 texts/s 477 texts/s",
        "Parameters 66.95 M 4.40 M 15.2\u00d7 fewer",
        "Calibration error 0.051 0.038",
        "pass The student keeps 98.0 % of the teacher",
        "int8 was tried and gave no speed-up here",
    ]:
        assert figure in table


@pytest.mark.parametrize(("verdict", "word"), [("fail", "Failed"), ("inconclusive", "Inconclusive")])
def test_a_verdict_that_is_no_pass_says_why(report: dict[str, Any], verdict: str, word: str) -> None:
    changed = copy.deepcopy(report)
    changed["verdict"] = changed["gates"][0]["status"] = verdict
    shown = words(head(changed, "t"))
    assert word in shown
    assert "Passed" not in shown
    assert shown.index("keeps 98.0 %") < shown.index("Speed")


def test_a_speed_beside_busy_neighbours_is_doubted(report: dict[str, Any]) -> None:
    assert "not proven" not in words(head(report, "t"))
    changed = copy.deepcopy(report)
    changed["speedup"]["rounds"] = MIN_CLEAN_ROUNDS - 1
    assert "1 thread not proven: other processes were busy p50" in words(head(changed, "t"))


def test_what_was_not_measured_is_left_out(report: dict[str, Any]) -> None:
    changed = copy.deepcopy(report)
    changed.update(speedup=None, metric=None)
    changed["fidelity"].update(retention=None, retention_ci=None, ece_teacher=None)
    for model in changed["models"]:
        model["latency"] = {}
    shown = words(head(changed, "t") + figures(changed) + reliability(changed))
    assert "Agreement 94.7%" in shown
    for absent in ("Speed", "Latency", "Throughput", "kept", "Calibration", "confidence", "None", "nan"):
        assert absent not in shown
    assert "Passed" not in head({}, "an empty report") + figures({}) + reliability({})


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
    html = head(changed, evil) + figures(changed)
    assert "<img" not in html
    assert html.count("&lt;img") > 8
