"""The page's tables and sentences, each from its part of the report; nothing where the report has nothing of it."""

from itertools import accumulate

from compress.compare.wording import capital
from compress.judge.report import Held, ModelRow, Report
from compress.judge.robustness import flip_lines, invariance_line
from compress.judge.table import baseline_lines, cascade_lines, counted, fidelity_lines, speed_lines
from compress.judge.wording import RUNTIME_NAMES, metric_name, other_scores_line, shipped_row
from compress.page.drawing import plain
from compress.page.markup import NONE, Cell, Column, Html, beside, bullets, pill, table

_MEASURES = {
    "max_abs_difference": "largest difference of a logit",
    "relative_rms_difference": "root mean square difference, relative",
}


def gates(report: Report) -> str:
    """Every gate with what it says."""
    columns = [Column("Gate"), Column("Verdict"), Column("What was found", wide=True)]
    return table(columns, [(gate.name, pill(gate.status), gate.message) for gate in report.gates])


def models(report: Report) -> str:
    """A row per model and runtime; what ships stands out."""
    counts = sorted({one.threads for row in report.models for one in row.latency.get("cpu", {}).values()})
    columns = [
        Column("Model"),
        Column("Runtime"),
        Column(f"{capital(metric_name(report))} (95 %)", number=True),
        Column("MB", number=True),
        *(Column(f"p50 / p95 ms, {count} thread{'s' * (count > 1)}", number=True) for count in counts),
        Column("Parameters", number=True),
    ]
    shipped = shipped_row(report)
    rows: list[tuple[Cell, ...]] = [
        (
            row.name,
            f"{RUNTIME_NAMES[row.runtime]} {row.precision}",
            beside(f"{row.score:.3f}", row.score_ci),
            f"{row.size_mb:.1f}",
            *(_times(row, count) for count in counts),
            counted(row.parameters),
        )
        for row in report.models
    ]
    best = [number for number, row in enumerate(report.models) if row is shipped]
    return table(columns, rows, best)


def speed(report: Report) -> list[tuple[str, Cell]]:
    """What the speed-up rests on, and whether distillation helped."""
    found: list[tuple[str, Cell]] = []
    if report.speedup is not None:
        found.append(("Speed", speed_lines(report.speedup)))
    if report.baseline is not None:
        found.append(("Did distillation help?", baseline_lines(report, report.baseline)))
    if report.cascade is not None:
        found.append(("With a cascade", cascade_lines(report, report.cascade)))
    return found


def fidelity(report: Report) -> list[tuple[str, Cell]]:
    """Retention, agreement, flips; of several teachers against each."""
    found: list[tuple[str, Cell]] = [("Against the teacher", fidelity_lines(report.fidelity))]
    if also := other_scores_line(report):
        found.append(("By other metrics", also))
    found += [
        (f"Against {name.partition(' torch')[0]}", fidelity_lines(one))
        for name, one in report.by_teacher.items()
    ]
    if report.fidelity.flips:
        found.append(("Other answers", flip_lines(report.fidelity)))
    return found


def shifts(report: Report) -> str:
    """Changed texts and other files, a row each."""
    columns = [
        Column("Texts"),
        Column("Rows", number=True),
        Column("Teacher", number=True),
        Column("its drop", number=True),
        Column("What ships", number=True),
        Column("its drop", number=True),
        Column("Agreement", number=True),
    ]
    return table(
        columns,
        [
            (
                one.name,
                f"{one.rows:,}",
                *_held(one.teacher),
                *_held(one.shipped),
                beside(f"{one.agreement:.3f}", one.agreement_ci),
            )
            for one in report.generalization
        ],
    )


def invariance(report: Report) -> str:
    """In words, and each way to ask with what it changed."""
    found = report.invariance
    if found is None:
        return ""
    columns = [
        Column("Asked"),
        Column("As it is run"),
        Column("Largest change of a probability or number", number=True),
        Column("Answers that change", number=True),
    ]
    rows = [
        (
            case.name,
            "yes" if case.counted else "no, for comparison",
            f"{case.largest_change:.2g}",
            f"{case.flips:,}",
        )
        for case in found.cases
    ]
    return table(columns, rows) + f'<p class="lead">{plain(invariance_line(found))}.</p>'


def batches(report: Report) -> str:
    """What true batches of each size gave, and how a server asks the file."""
    found = report.batches
    if found is None:
        return ""
    columns = [Column("Texts in one go"), *(Column(f"{point.texts:,}", number=True) for point in found.curve)]
    rates = [("texts per second", *(f"{point.per_second:,.0f}" for point in found.curve))]
    way = f"in batches of up to {found.texts:,} texts" if found.together else "one by one"
    return table(columns, rates) + (
        f'<p class="lead">A server asks it {way}, and takes at most {found.tokens:,} tokens in one go.</p>'
    )


def ladder(report: Report) -> str:
    """What was tried before the file was chosen."""
    columns = [
        Column("Quantiser"),
        Column(
            capital(metric_name(report)) if report.metric else "Agreement with the float file",
            number=True,
        ),
        Column("p50 ms", number=True),
        Column("MB", number=True),
        Column("Nodes in float", number=True),
        Column("Why", wide=True),
    ]
    rows = [
        (
            one.name,
            f"{one.score:.4f}",
            NONE if one.p50_ms is None else f"{one.p50_ms:.2f}",
            f"{one.size_mb:.1f}",
            f"{len(one.kept_float)}" if one.kept_float else NONE,
            Html(f"{'<b>ships</b>: ' if one.chosen else ''}{plain(one.why)}"),
        )
        for one in report.ladder
    ]
    return table(columns, rows, [number for number, one in enumerate(report.ladder) if one.chosen])


def parity(report: Report) -> str:
    """Each file with how far it is from PyTorch, and how far it may be."""
    columns = [
        Column("Model"),
        Column("File"),
        Column("Measure"),
        Column("Difference", number=True),
        Column("At most", number=True),
        Column("Texts", number=True),
        Column("Longest, tokens", number=True),
    ]
    rows = [
        (
            model,
            one.file,
            _MEASURES[one.measure],
            f"{one.difference:.2g}",
            f"{one.tolerance:.2g}",
            f"{one.texts:,}",
            f"{max(one.lengths):,}" if one.lengths else NONE,
        )
        for model, one in zip(_parity_models(report), report.parity, strict=True)
    ]
    return table(columns, rows)


def _parity_models(report: Report) -> list[str]:
    """Whose each file is: they come in the order of the models, each with its float file first."""
    names = list(dict.fromkeys(one.model for one in report.exports))
    place = list(accumulate(int(one.measure == "max_abs_difference") for one in report.parity))
    known = len(names) == max(place, default=0) and min(place, default=1) > 0
    return [names[number - 1] if known else NONE for number in place]


def forms(report: Report) -> str:
    """The forms of ONNX file, where more than one was tried."""
    if all(one.chosen and one.reason is None for one in report.exports):
        return ""
    columns = [
        Column("Model"),
        Column("Form"),
        Column("Opset", number=True),
        Column("p50 ms", number=True),
        Column("Outcome", wide=True),
    ]
    rows = [
        (
            one.model,
            one.name,
            f"{one.opset}",
            NONE if one.p50_ms is None else f"{one.p50_ms:.2f}",
            one.reason or ("chosen" if one.chosen else "proven" if one.proven else "not proven"),
        )
        for one in report.exports
    ]
    return table(columns, rows, [number for number, one in enumerate(report.exports) if one.chosen])


def notes(report: Report) -> str:
    """What was decided on the way, what was kept out and why."""
    return bullets(report.notes)


def provenance(report: Report) -> list[tuple[str, Cell]]:
    """The command, what it was given, and where it ran."""
    machine = report.machine
    instructions = f" with {', '.join(machine.instruction_set)}" if machine.instruction_set else ""
    found: list[tuple[str, Cell]] = [
        ("Command", Html(f"<code>{plain(report.reproduce)}</code>")),
        ("Rows", ", ".join(f"{name} {rows:,}" for name, rows in report.rows.items())),
        ("Digest of the data", Html(f"<code>{plain(report.data_digest)}</code>")),
        (
            "Machine",
            f"{machine.processor}, {machine.cores} cores{instructions}, {machine.memory_gb:g} GB\n{machine.platform}",
        ),
        ("Versions", ", ".join(f"{name} {version}" for name, version in report.versions.items())),
        ("Written", report.created),
    ]
    if report.seconds:
        spent = ", ".join(f"{name} {seconds:,.0f} s" for name, seconds in report.seconds.items())
        found.append(("Time by stage", f"{spent}\n{sum(report.seconds.values()) / 60:,.0f} minutes in all"))
    return [(word, said) for word, said in found if said]


def _times(row: ModelRow, threads: int) -> str:
    for one in row.latency.get("cpu", {}).values():
        if one.threads == threads:
            return f"{one.p50_ms:,.2f} / {one.p95_ms:,.2f}"
    return NONE


def _held(held: Held | None) -> tuple[Cell, Cell]:
    if held is None:
        return NONE, NONE
    return f"{held.score:.3f}", beside(f"{held.drop:+.3f}", held.drop_ci, "{:+.3f}")
