"""The bundle's README.md: a model card made from the measurements."""

from compress.card_metadata import metadata_block
from compress.judge.report import Fidelity, Invariance, ModelRow, Report, Shift
from compress.judge.robustness import shift_cells
from compress.judge.wording import other_scores_line, sentence

_FLIPS = 10  # pairs of labels that are listed


def model_card(name: str, report: Report, *, pairs: bool = False) -> str:
    """Markdown with the Hub's metadata block on top; `pairs`: the model reads two texts together."""
    asked = '("one text", "the other text")' if pairs else '"some text"'
    rows = "\n".join(map(_line, report.models))
    gates = "\n".join(f"- {gate.status}: {gate.message}" for gate in report.gates) or "- none were asked for"
    notes = "\n".join(f"- {note}" for note in report.notes)
    return f"""---
{metadata_block(name, report)}---

# {name}

{sentence(report)}

| model | runtime | {report.metric or "agreement with the teacher"} (95 %) | MB | p50 ms | p95 ms |
|---|---|---|---|---|---|
{rows}

Measured on {report.machine.processor} ({report.machine.cores} cores), {report.fidelity.rows:,} test rows,
one text at a time, tokenizer included, {report.created}. report.html shows all of it, with drawings.

{_also(report)}{_robustness(report)}Gates:

{gates}
{_ladder(report)}
What a reader should know:

{notes or "- nothing more"}

## Use

```python
import serve

model = serve.load("path/to/this/folder")
print(model.predict([{asked}]))
```

`compress serve FOLDER` answers over HTTP; `compress demo FOLDER` shows the model beside its teacher;
`compress verify FOLDER` measures it again on your machine.
"""


def _also(report: Report) -> str:
    also = other_scores_line(report)
    return f"By other metrics: {also}.\n\n" if also else ""


def _row(*cells: str) -> str:
    """A line of a Markdown table; a label may hold what would end its cell."""
    return "| " + " | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in cells) + " |"


def _robustness(report: Report) -> str:
    """What a reader should expect to change, where it was measured; ends in a blank line."""
    parts = []
    if report.fidelity.flips:
        parts.append(_flips(report.fidelity))
    if report.generalization:
        parts.append(_shifts(report.generalization))
    if report.invariance is not None:
        parts.append(_invariance(report.invariance))
    return "".join(f"{part}\n\n" for part in parts)


def _flips(found: Fidelity) -> str:
    flips = found.flips
    lines = "\n".join(_row(flip.teacher, flip.shipped, f"{flip.rows:,}") for flip in flips[:_FLIPS])
    others = sum(flip.rows for flip in flips[_FLIPS:])
    rest = "\n" + _row("other", "other", f"{others:,}") if others else ""
    what = f"Test rows ({found.rows:,} in all) on which it gives another label than its teacher"
    if found.flips_of == "entities":
        what = f"Entities of the test rows ({found.rows:,} in all) on which it and its teacher differ"
    elif found.flips_of == "labels":
        what = f"Labels of the test rows ({found.rows:,} in all) that one of it and its teacher alone gives"
    return f"{what}:\n\n| teacher says | this model says | {found.flips_of} |\n|---|---|---|\n{lines}{rest}"


def _shifts(shifts: list[Shift]) -> str:
    lines = "\n".join(_row(*shift_cells(shift)) for shift in shifts)
    return (
        "On test texts that were changed, and on texts from elsewhere (score, then how far it is below the one on the "
        "test rows, with its 95 % interval):\n\n"
        f"| changed | rows | teacher, drop | this model, drop | agreement |\n|---|---|---|---|---|\n{lines}"
    )


def _invariance(found: Invariance) -> str:
    lines = "\n".join(_row(case.name, f"{case.largest_change:.1g}", str(case.flips)) for case in found.cases)
    how = "in batches" if found.batching == "batch" else "text by text, also where many are asked at once"
    return (
        f"It answers {how}. Against each of {found.rows} test texts answered alone:\n\n"
        f"| asked | largest change of a probability or number | answers that change |\n|---|---|---|\n{lines}"
    )


def _ladder(report: Report) -> str:
    """How the file was chosen; nothing where the recipe named it."""
    if not report.ladder:
        return ""
    lines = "\n".join(
        _row(
            row.name,
            f"{row.score:.4f}",
            "-" if row.p50_ms is None else f"{row.p50_ms:.2f}",
            f"{row.size_mb:.1f}",
            ", ".join(row.kept_float) or "-",
            f"{'**ships**: ' if row.chosen else ''}{row.why}",
        )
        for row in report.ladder
    )
    return f"""
How the file was chosen, on rows that are not the test rows:

| quantiser | {report.metric or "agreement with the float file"} | p50 ms | MB | nodes left in float | |
|---|---|---|---|---|---|
{lines}
"""


def _line(row: ModelRow) -> str:
    latency = row.latency.get("cpu", {}).get("batch_1")
    low, high = row.score_ci
    times = f"{latency.p50_ms:.2f} | {latency.p95_ms:.2f}" if latency else "- | -"
    return (
        f"| {row.name} | {row.runtime} {row.precision} | {row.score:.4f} [{low:.4f}, {high:.4f}] "
        f"| {row.size_mb:.1f} | {times} |"
    )
