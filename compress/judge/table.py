"""A report for people, in the terminal: a table of models, the fidelity, the gates, the verdict.

    Console().print(render(report))

Reads well at 80 columns, and without colour: what colour says is also said in words.
"""

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from compress.judge.report import Baseline, Cascade, Fidelity, Latency, ModelRow, Report, Speedup, Status
from compress.judge.robustness import batches_line, flip_lines, invariance_line, shift_table
from compress.judge.wording import RUNTIME_NAMES, metric_name, other_scores_line, percent, sentence, times

__all__ = [
    "baseline_lines",
    "beside",
    "cascade_lines",
    "counted",
    "export_lines",
    "fidelity_lines",
    "render",
    "sentence",
    "speed_lines",
    "status",
]

_STYLES: dict[Status, str] = {"pass": "green", "fail": "red", "inconclusive": "yellow"}
_NONE = "-"


def render(report: Report) -> RenderableType:
    """Everything a person wants to know of a run, the verdict last: it is what stays on the screen."""
    lines = filter(None, (fidelity_lines(report.fidelity), other_scores_line(report)))
    facts = [(Text("Fidelity:"), "\n".join(lines))]
    for name, found in report.by_teacher.items():
        facts.append((Text(f"{name.partition(' torch')[0].capitalize()}:"), fidelity_lines(found)))
    if report.fidelity.flips:
        facts.append((Text("Flips:"), flip_lines(report.fidelity)))
    if report.invariance is not None:
        facts.append((Text("Invariance:"), invariance_line(report.invariance)))
    if report.baseline is not None:
        facts.append((Text("Helped?"), baseline_lines(report, report.baseline)))
    if report.speedup is not None:
        facts.append((Text("Speed:"), speed_lines(report.speedup)))
    if report.batches is not None:
        facts.append((Text("Batches:"), batches_line(report.batches)))
    if report.cascade is not None:
        facts.append((Text("Cascade:"), cascade_lines(report, report.cascade)))
    if report.exports:
        facts.append((Text("Export:"), export_lines(report)))
    parts: list[RenderableType] = [_models(report), Text(), beside(facts), Text()]
    if report.ladder:
        parts += [_ladder(report), Text()]
    if report.generalization:
        parts += [shift_table(report), Text()]
    if report.gates:
        parts += [beside([(status(gate.status), gate.message) for gate in report.gates]), Text()]
    if report.notes:
        parts += [beside([(Text("Note:"), note) for note in report.notes]), Text()]
    # Text, not markup: a note or label may hold square brackets.
    parts.append(Text(sentence(report), style=f"bold {_STYLES[report.verdict]}"))
    return Group(*parts)


def _models(report: Report) -> Table:
    teacher = next((row for row in report.models if row.name == "teacher" and row.runtime == "torch"), None)
    reference = _batch_1(teacher) if teacher else None
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False)
    for header in ("model", "runtime", metric_name(report)):
        table.add_column(header, overflow="fold")
    for header in ("MB", "p50\nms", "p95\nms", "times\nas fast", "para-\nmeters"):
        table.add_column(header, justify="right", no_wrap=True)
    for row in report.models:
        table.add_row(*(Text(cell) for cell in _cells(row, reference)))
    return table


def _cells(row: ModelRow, reference: Latency | None) -> list[str]:
    latency = _batch_1(row)
    low, high = row.score_ci
    return [
        row.name,
        f"{RUNTIME_NAMES[row.runtime]} {row.precision}",
        f"{row.score:.3f} [{low:.3f}, {high:.3f}]",
        f"{row.size_mb:.1f}",
        f"{latency.p50_ms:.2f}" if latency else _NONE,
        f"{latency.p95_ms:.2f}" if latency else _NONE,
        times(reference.p50_ms / latency.p50_ms) if latency and reference and latency.p50_ms else _NONE,
        counted(row.parameters),
    ]


def _ladder(report: Report) -> Table:
    """What was tried before the file was chosen."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False)
    table.add_column("quantiser", overflow="fold")
    for header in (f"{metric_name(report)}\nto select", "MB", "p50\nms", "nodes\nin float"):
        table.add_column(header, justify="right", no_wrap=True)
    table.add_column("", overflow="fold")
    for row in report.ladder:
        cells = (
            row.name,
            f"{row.score:.3f}",
            f"{row.size_mb:.1f}",
            f"{row.p50_ms:.2f}" if row.p50_ms is not None else _NONE,
            str(len(row.kept_float)) if row.kept_float else _NONE,
            f"ships: {row.why}" if row.chosen else row.why,
        )
        table.add_row(*(Text(cell) for cell in cells))
    return table


def _batch_1(row: ModelRow) -> Latency | None:
    """One text at a time with all threads, on the first device that was measured."""
    for device in row.latency.values():
        if "batch_1" in device:
            return device["batch_1"]
    return None


def counted(parameters: int) -> str:
    """A number of parameters in few letters, as in 22.7M."""
    for size, letter in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if parameters >= size:
            return f"{parameters / size:.1f}{letter}"
    return str(parameters)


def fidelity_lines(fidelity: Fidelity) -> str:
    """Two lines, broken so that no interval is torn apart at 80 columns."""
    answers = f"agreement {percent(fidelity.agreement, fidelity.agreement_ci)}"
    if fidelity.retention is not None and fidelity.retention_ci is not None:
        answers = f"retention {percent(fidelity.retention, fidelity.retention_ci)}, {answers}"
    more = []
    if fidelity.kl is not None:
        more.append(f"KL {fidelity.kl:.3g} nats")
    if fidelity.correlation is not None:
        more.append(f"correlation with the teacher {fidelity.correlation:.4f}")
    if fidelity.likeness is not None:
        more.append(f"mean cosine of its vectors with the teacher's {fidelity.likeness:.4f}")
    if fidelity.ece_teacher is not None and fidelity.ece_student is not None:
        more.append(f"ECE {fidelity.ece_student:.3f} (teacher {fidelity.ece_teacher:.3f})")
    return f"{answers}\n{', '.join([*more, f'on {fidelity.rows:,} rows'])}"


def cascade_lines(report: Report, found: Cascade) -> str:
    """What a cascade is expected to give, for `compress serve --cascade`."""
    what = metric_name(report) if report.metric else "agreement"
    return (
        f"below {found.below:.2f} ask the teacher ({found.share:.1%} of {found.rows:,} selection rows): {what} "
        f"{found.score:.3f}\nthe student alone {found.student:.3f}, the teacher {found.teacher:.3f}"
    )


def export_lines(report: Report) -> str:
    """The form of what ships, how near to PyTorch it is, and the other forms that were tried."""
    shipped = report.models[-1].name
    tried = [form for form in report.exports if form.model == shipped]
    (kept,) = (form.name for form in tried if form.chosen)
    # The models come in the order of their rows, each with its float file first.
    nearness = [one.difference for one in report.parity if one.measure == "max_abs_difference"][-1:]
    lines = f"{shipped} as {kept}" + "".join(
        f", logits within {value:.1g} of PyTorch's as float" for value in nearness
    )
    timed = ", ".join(f"{form.name} {form.p50_ms:.2f} ms" for form in tried if form.p50_ms is not None)
    if timed:
        lines += f"\n{timed} (one text, one thread)"
    for form in tried:
        if form.reason:
            lines += f"\n{form.name}: {form.reason}"
    return lines


def baseline_lines(report: Report, baseline: Baseline) -> str:
    """Whether the teacher helped: the gain over the plain student, and who is right alone."""
    low, high = baseline.gain_ci
    verdict = "more" if low > 0 else "less" if high < 0 else "not settled"
    gain = f"{baseline.gain:+.3f} [{low:+.3f}, {high:+.3f}] {metric_name(report)} against the plain student ({verdict})"
    if baseline.only_distilled is None or baseline.only_plain is None:
        return f"{gain}\np = {baseline.p_value:.2g} (swapping the two row by row)"
    return (
        f"{gain}\nit alone is right on {baseline.only_distilled:,} rows, the plain student alone on "
        f"{baseline.only_plain:,}; McNemar p = {baseline.p_value:.2g}"
    )


def speed_lines(speedup: Speedup) -> str:
    """The speed-up with its interval, at each number of threads, and what was measured for it."""
    low, high = speedup.ci
    counts = [
        f"{times(ratio)} at {threads} thread{'' if threads == '1' else 's'}"
        for threads, ratio in speedup.by_threads.items()
    ]
    rounds = f"{speedup.rounds} clean rounds, {speedup.dropped_rounds} dropped (others busy)"
    if speedup.noisy:
        rounds += ": not proven"
    return (
        f"{times(speedup.p50)} [{times(low)}, {times(high)}] times as fast as the teacher in PyTorch\n"
        f"{', '.join(counts)}; {rounds}"
    )


def status(found: Status) -> Text:
    """A status in capitals and in its colour."""
    return Text(found.upper(), style=_STYLES[found])


def beside(rows: list[tuple[Text, str]]) -> Table:
    """A word and its sentence per row; the sentence wraps beside the word."""
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column()
    for word, text in rows:
        table.add_row(word, Text(text))
    return table
