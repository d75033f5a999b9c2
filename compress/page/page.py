"""The page from top to bottom: the verdict, what it rests on, drawings, what to know, how to do it again."""

import yaml

from compress.compare.wording import capital
from compress.judge.report import Report
from compress.judge.wording import RUNTIME_NAMES, metric_name, percent, sentence, shipped_row, times
from compress.page import sections
from compress.page.drawing import plain
from compress.page.fidelity import by_confidence, by_length, confusion, reliability
from compress.page.label_sets import by_label
from compress.page.learning import curves
from compress.page.markup import drawings, facts, pill, section
from compress.page.numbers import both_numbers, right_numbers
from compress.page.speed import spread, trade
from compress.page.style import STYLE


def report_page(name: str, report: Report) -> str:
    """The report of the run or bundle of this name as HTML; parts of which it holds nothing are left out."""
    parts = [
        _hero(name, report),
        section(
            "gates",
            "What was asked for",
            "A gate passes when its whole 95 % interval clears the threshold, and fails when the whole interval "
            "misses it.",
            sections.gates(report),
        ),
        section(
            "models",
            "The models",
            f"All on the same {report.fidelity.rows:,} test rows, none of which was used to choose anything. Time is "
            + (
                "from both texts to their answer, one pair at a time."
                if are_pairs(report)
                else "from text to answer, one text at a time."
            ),
            sections.models(report),
            facts(sections.speed(report)),
        ),
        section("drawings", "How good, how fast", "", drawings([trade(report), spread(report)])),
        section(
            "batches",
            "Many texts at once",
            "What ships, asked in true batches of texts as they come, padded to the longest.",
            sections.batches(report),
        ),
        section(
            "fidelity",
            "Does it answer as its teacher does?",
            "",
            facts(sections.fidelity(report)),
            drawings(
                [
                    confusion(report.fidelity, report.labels),
                    by_label(report.fidelity),
                    both_numbers(report.fidelity),
                    right_numbers(report.fidelity),
                    reliability(report.fidelity),
                    by_confidence(report.fidelity),
                    by_length(report.fidelity),
                ]
            ),
        ),
        section(
            "shifts",
            "On texts that are not as clean",
            "Both models on test texts that were changed, and on files from elsewhere. The drop is how far a score is "
            "below the one on the test rows; no gate rests on it.",
            sections.shifts(report),
        ),
        section(
            "invariance",
            "Does anything but its text change an answer?",
            "Each of these texts was answered alone, then again in other company.",
            sections.invariance(report),
        ),
        section(
            "ladder",
            "How the file was chosen",
            "Every way to quantise that was tried, scored on rows that are not the test rows.",
            sections.ladder(report),
        ),
        section(
            "training",
            "How the models learnt",
            "The selection rows were carved from the training rows; the checkpoint is chosen by them.",
            drawings(curves(report)),
        ),
        section(
            "exports",
            "Is the file its model?",
            "Each ONNX file against the PyTorch model that it came from, on real texts of several lengths and in "
            "batches.",
            sections.parity(report),
            sections.forms(report),
        ),
        section("notes", "What a reader should know", "", sections.notes(report)),
        section(
            "again",
            "How to do it again",
            "",
            facts(sections.provenance(report)),
            f"<h3>The recipe</h3><pre>{_lines(_recipe(report))}</pre>" if report.recipe else "",
        ),
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{plain(name)}: {plain(report.verdict)}</title><style>{STYLE}</style></head>\n<body><main>"
        + "\n".join(part for part in parts if part)
        + "\n<footer>Made by compress. Every figure stands in report.json beside this page.</footer>"
        "</main></body></html>\n"
    )


def are_pairs(report: Report) -> bool:
    """Whether two texts were read together: the recipe names the second one, or a note says where it was found."""
    data = report.recipe.get("data")
    columns = data.get("columns") if isinstance(data, dict) else None
    named = isinstance(columns, dict) and columns.get("text_pair") is not None
    return named or any(note.startswith("pairs of texts: ") for note in report.notes)


def _hero(name: str, report: Report) -> str:
    status, _, said = sentence(report).partition(": ")
    assert status == report.verdict.upper()
    machine = report.machine
    return (
        f'<header class="hero"><div class="line">{pill(report.verdict).markup}'
        f'<p class="over">{plain(name)} \u00b7 {plain(_kind(report))}</p></div>'
        f"<h1>{plain(capital(said))}.</h1>"
        f'<p class="lead">{report.fidelity.rows:,} test rows{", pairs of texts" * are_pairs(report)}, on '
        f"{plain(machine.processor)} with "
        f"{machine.cores} cores, written {plain(report.created[:10])}.</p></header>"
        f'<div class="tiles">{"".join(_tile(*tile) for tile in _tiles(report))}</div>'
    )


def _kind(report: Report) -> str:
    """The task, and which kind of it where it has several."""
    kinds = {"regression": "regression", "multi_label_classification": "multi-label classification"}
    return kinds.get(report.problem_type or "", report.task.replace("-", " "))


def _tiles(report: Report) -> list[tuple[str, str, str]]:
    """What it is about, the figure, how sure it is."""
    found, shipped = report.fidelity, shipped_row(report)
    tiles = []
    if found.retention is not None and found.retention_ci is not None:
        value, _, interval = percent(found.retention, found.retention_ci).partition(" [")
        tiles.append(("Quality kept", value, f"[{interval} of the teacher's {metric_name(report)}"))
    value, _, interval = percent(found.agreement, found.agreement_ci).partition(" [")
    tiles.append(("Same answer", value, f"[{interval} of the rows, as the teacher"))
    if report.speedup is not None:
        low, high = (times(bound) for bound in report.speedup.ci)
        count = report.speedup.threads
        against = f"the teacher in {RUNTIME_NAMES['torch']}, {count} thread{'s' * (count > 1)}"
        doubt = "; not proven: others were busy" * report.speedup.noisy
        tiles.append(
            ("Times as fast", times(report.speedup.p50), f"[{low}, {high}] against {against}{doubt}")
        )
    if shipped is not None:
        ratio = times(report.size_ratio)
        tiles.append(("Size", f"{shipped.size_mb:.1f} MB", f"the teacher is {ratio} times as large"))
    return tiles


def _tile(about: str, value: str, more: str) -> str:
    return (
        f'<div class="tile"><p class="over">{plain(about)}</p><b>{plain(value)}</b><p>{plain(more)}</p></div>'
    )


def _recipe(report: Report) -> str:
    return str(yaml.safe_dump(report.recipe, sort_keys=False, allow_unicode=True)).rstrip()


def _lines(text: str) -> str:
    return "\n".join(map(plain, text.split("\n")))
