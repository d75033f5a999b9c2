from collections.abc import Callable
from io import StringIO

import pytest
from rich.console import Console

from compress.card import model_card
from compress.judge.gates import Thresholds, judge, verdict
from compress.judge.report import ExportForm, Fidelity, Flip, LadderRow, Parity, Report
from compress.judge.table import render, sentence

Make = Callable[..., Report]


def printed(report: Report, width: int = 80) -> str:
    console = Console(width=width, no_color=True, file=StringIO())
    console.print(render(report))
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def spaced(line: str) -> str:
    return " ".join(line.split())


def unlabelled(report: Report) -> Fidelity:
    nothing = dict.fromkeys(("retention", "retention_ci", "ece_teacher", "ece_student"))
    return report.fidelity.model_copy(update=nothing)


def judged(make_report: Make, thresholds: Thresholds) -> Report:
    gates = judge(thresholds, make_report().fidelity, make_report().speedup, 8.9)
    return make_report(gates=gates, verdict=verdict(gates))


def test_the_verdict_is_one_sentence(make_report: Make) -> None:
    assert sentence(make_report()) == (
        "PASS: the 8.9 MB student keeps 98.1 % [97.0, 99.2] of the teacher's accuracy and answers "
        "14.2 times as fast"
    )


def test_the_sentence_names_the_gates_that_did_not_pass(make_report: Make) -> None:
    failed = judged(make_report, Thresholds(min_retention=1.1, min_agreement=0.93, max_size_mb=40))
    assert sentence(failed).startswith("FAIL: the 8.9 MB student keeps 98.1 %")
    assert sentence(failed).endswith("times as fast; missed: min_retention; not settled: min_agreement")
    unproven = judged(make_report, Thresholds(min_speedup=14))
    assert sentence(unproven).endswith("14.2 times as fast (not proven); not settled: min_speedup")


def test_a_speed_that_was_measured_beside_busy_neighbours_is_not_boasted_of(make_report: Make) -> None:
    """Also where the recipe asks for no speed: the interval of such rounds is not noisy, it is wrong."""
    measured = make_report().speedup
    assert measured is not None
    busy = make_report(speedup=measured.model_copy(update={"rounds": 4}))
    assert sentence(busy).endswith("14.2 times as fast (not proven: other processes were busy)")
    assert "not proven" not in sentence(make_report(speedup=measured.model_copy(update={"rounds": 5})))


def test_the_sentence_without_labels_speed_or_gates(make_report: Make) -> None:
    report = make_report(metric=None, fidelity=unlabelled(make_report()), speedup=None, gates=[])
    assert sentence(report) == (
        "PASS: the 8.9 MB student gives the teacher's answer on 93.4 % [91.6, 94.9] of the rows "
        "(no gates were set)"
    )


def test_the_sentence_speaks_of_the_file_that_ships(make_report: Make) -> None:
    assert "the 69.6 MB student" in sentence(make_report(shipped="onnx-fp32"))
    assert "the onnx-int8 model" in sentence(make_report(models=[]))


@pytest.mark.parametrize(
    ("metric", "words"),
    [("macro_f1", "macro F1"), ("matthews", "Matthews correlation"), ("recall", "recall")],
)
def test_the_metric_is_named_in_words(make_report: Make, metric: str, words: str) -> None:
    report = make_report(metric=metric)
    assert f"of the teacher's {words} and" in sentence(report)
    assert words in printed(report)


def test_the_table_holds_every_figure_on_one_line_per_model(make_report: Make) -> None:
    lines = printed(make_report()).splitlines()
    (teacher,) = [line for line in lines if line.startswith("teacher")]
    assert spaced(teacher) == "teacher PyTorch fp32 0.892 [0.871, 0.912] 90.9 5.40 6.48 1.0 22.7M"
    (shipped,) = [line for line in lines if "int8" in line]
    assert spaced(shipped) == "student ONNX int8 0.892 [0.871, 0.912] 8.9 0.38 0.46 14.2 17.4M"


def robust(make_report: Make) -> Report:
    part = {"low": 0.5, "high": 0.83, "rows": 218, "agreement": 0.801, "agreement_ci": (0.74, 0.85)}
    held = {"score": 0.861, "score_ci": (0.84, 0.88), "drop": 0.031, "drop_ci": (0.012, 0.05)}
    found = make_report().fidelity.model_dump() | {
        "mcnemar": {"only_teacher": 30, "only_shipped": 25, "p_value": 0.59},
        "flips": [
            {"teacher": "negative", "shipped": "positive", "rows": 33},
            {"teacher": "positive", "shipped": "negative", "rows": 25},
        ],
        "by_length": [{**part, "low": 4, "high": 49}, {**part, "low": 148, "high": 270, "agreement": 0.98}],
        "by_confidence": [part, {**part, "low": 0.998, "high": 1, "agreement": 1}],
    }
    cases = [("all in one call", True, 0.0, 0), ("true batches: all in one call", False, 0.08, 3)]
    return make_report(
        fidelity=found,
        invariance={
            "rows": 200,
            "batching": "one_by_one",
            "threads": 2,
            "cases": [
                dict(zip(("name", "counted", "largest_change", "flips"), case, strict=True)) for case in cases
            ],
            "flips": 0,
        },
        generalization=[
            {
                "name": name,
                "kind": "file",
                "rows": 1000,
                "teacher": held,
                "shipped": held if name != "bare" else None,
                "agreement": 0.9,
                "agreement_ci": (0.88, 0.92),
            }
            for name in ("typos", "a file of reviews from elsewhere", "bare")
        ],
    )


def test_where_answers_change_is_said(make_report: Make) -> None:
    text = spaced(printed(robust(make_report)))
    for words in (
        "58 of 872 rows: negative to positive 33, positive to negative 25",
        "19.9 % where the teacher is least sure (to 0.830), 0.0 % where it is surest (from 0.998)",
        "19.9 % on the shortest texts (to 49 characters), 2.0 % on the longest (from 148)",
        "the teacher alone is right on 30 rows, what ships alone on 25; McNemar p = 0.59",
        "0 of 200 answers change with neighbours, padding, order or threads",
        "true batches, which it is not asked in, would flip 3 and change a probability by up to 0.08",
        "typos 1,000 0.861 0.861 0.900 +0.031 [+0.012, +0.050] +0.031 [+0.012, +0.050]",
    ):
        assert words in text, words


def test_80_columns_are_enough(make_report: Make) -> None:
    for report in (
        robust(make_report),
        make_report(),
        make_report(metric="matthews"),
        make_report(notes=["word " * 60]),
    ):
        text = printed(report)
        assert max(map(len, text.splitlines())) <= 80
        assert "…" not in text


def test_gates_are_told_apart_without_colour(make_report: Make) -> None:
    text = printed(judged(make_report, Thresholds(0.975, 0.93, 40, 40)))
    for word in ("INCONCLUSIVE min_retention", "INCONCLUSIVE min_agreement", "FAIL ", "PASS "):
        assert word in text
    assert "max_size_mb met: 8.9 MB is at most 40 MB" in text


def test_what_was_not_measured_is_a_dash(make_report: Make) -> None:
    report = make_report()
    rows = [row.model_copy(update={"latency": {}}) for row in report.models]
    bare = make_report(metric=None, fidelity=unlabelled(report), speedup=None, gates=[], models=rows)
    text = printed(bare)
    (student,) = [line for line in text.splitlines() if "int8" in line]
    assert spaced(student) == "student ONNX int8 0.892 [0.871, 0.912] 8.9 - - - 17.4M"
    assert "agreement" in text.splitlines()[1]
    assert "None" not in text
    assert "Speed:" not in text
    assert "retention" not in text


def test_square_brackets_of_others_are_not_markup(make_report: Make) -> None:
    assert "[red]not red[/red] [/]" in printed(make_report(notes=["[red]not red[/red] [/]"]))


@pytest.mark.parametrize("width", [1, 20, 40, 200])
def test_any_width_prints(make_report: Make, width: int) -> None:
    printed(make_report(notes=["a note"]), width)


def tried(name: str, why: str, **changes: object) -> LadderRow:
    fields: dict[str, object] = {
        "name": name,
        "precision": "int8",
        "score": 0.9,
        "loss": 0.001,
        "p50_ms": 0.38,
        "speedup": 2.9,
        "size_mb": 8.9,
        "kept_float": [],
        "status": "passed",
        "why": why,
        "chosen": False,
    }
    return LadderRow(**(fields | changes))  # type: ignore[arg-type]  # as they are declared


def test_what_was_tried_is_shown_with_what_ships(make_report: Make) -> None:
    ladder = [
        tried("dynamic int8", "was 2.9 times as fast", chosen=True),
        tried("int4 weights", "lost 2.1 points", p50_ms=None, kept_float=["node_a", "node_b"]),
    ]
    report = make_report(ladder=ladder)
    lines = [spaced(line) for line in printed(report).splitlines()]
    assert "dynamic int8 0.900 8.9 0.38 - ships: was 2.9 times as fast" in lines
    assert "int4 weights 0.900 8.9 - 2 lost 2.1 points" in lines
    assert all(len(line) <= 80 for line in printed(report).splitlines())
    card = model_card("x", report)
    assert "| dynamic int8 | 0.9000 | 0.38 | 8.9 | - | **ships**: was 2.9 times as fast |" in card
    assert "| int4 weights | 0.9000 | - | 8.9 | node_a, node_b | lost 2.1 points |" in card
    assert "How the file was chosen" not in model_card("x", make_report())


def test_the_forms_that_were_tried_are_shown(make_report: Make) -> None:
    def form(name: str, **changes: object) -> ExportForm:
        fields = {"model": "student", "name": name, "opset": 17, "proven": True, "chosen": False}
        return ExportForm(**(fields | {"p50_ms": None, "reason": None} | changes))  # type: ignore[arg-type]  # as declared

    parity = Parity(
        file="model.onnx",
        measure="max_abs_difference",
        difference=1.9e-6,
        tolerance=1e-4,
        texts=12,
        batch_sizes=[1],
        lengths=[4],
    )
    exports = [
        form("opset-23", chosen=True, p50_ms=1.957),
        form("portable", p50_ms=1.886),
        form("opset-17-fused", reason="attention fused in 2 of 3 layers", proven=False),
        form("opset-23", model="teacher", chosen=True),
    ]
    text = spaced(printed(make_report(exports=exports, parity=[parity])))
    assert "Export: student as opset-23, logits within 2e-06 of PyTorch's as float" in text
    assert "opset-23 1.96 ms, portable 1.89 ms (one text, one thread)" in text
    assert "opset-17-fused: attention fused in 2 of 3 layers" in text


def test_a_label_with_a_bar_stays_in_its_cell_of_the_card(make_report: Make) -> None:
    flips = [Flip(teacher="a|b", shipped="c\nd", rows=3)]
    fidelity = make_report().fidelity.model_copy(update={"flips": flips})
    assert "\n| a\\|b | c d | 3 |" in model_card("x", make_report(fidelity=fidelity))
