"""All figures of the report that set the student beside its teacher, its gates and its notes."""

from html import escape

from app.report import (
    CLOSENESS,
    TIMES,
    Document,
    latency,
    metric_name,
    millions,
    rate,
    score_form,
    shipped,
    span,
    teacher,
    threads,
)


def figures(report: Document) -> str:
    """The table, the gates and the notes, as HTML."""
    return f'<div class="proof">{table(report)}{gates(report)}{_notes(report)}</div>'


def table(report: Document) -> str:
    """Score, size, latency, throughput and parameters of both; empty without rows for both."""
    taught, learnt = teacher(report), shipped(report)
    if taught is None or learnt is None:
        return ""
    lines = [
        _score(report, taught, learnt),
        _fidelity(report),
        _size(taught, learnt),
        _parameters(taught, learnt),
        _latency(report, taught, learnt),
    ]
    heads = "".join(
        f'<th scope="col">{name} <small>{_kind(row)}</small></th>'
        for name, row in (("Teacher", taught), ("Student", learnt))
    )
    return (
        f'<table class="figures"><thead><tr><th></th>{heads}<th scope="col">Ratio</th></tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table>"
    )


def gates(report: Document) -> str:
    """Each threshold of the recipe with what was found; empty where there is none."""
    lines = "".join(
        f'<li><span class="verdict {escape(str(gate["status"]))}">{escape(str(gate["status"]))}</span> '
        f"<span>{escape(str(gate['message']))}</span></li>"
        for gate in report.get("gates", [])
    )
    return f'<h2>Thresholds</h2><ul class="gates">{lines}</ul>' if lines else ""


def _notes(report: Document) -> str:
    lines = "".join(f"<li>{escape(str(note))}</li>" for note in report.get("notes", []))
    return f'<h2>Notes</h2><ul class="notes">{lines}</ul>' if lines else ""


def _score(report: Document, taught: Document, learnt: Document) -> str:
    form = score_form(report)
    cells = [
        f"{form.format(row['score'])} <small>{span(row.get('score_ci'), form)}</small>"
        for row in (taught, learnt)
    ]
    fidelity = report.get("fidelity") or {}
    kept = ""
    if fidelity.get("retention") is not None:
        kept = (
            f"{fidelity['retention']:.1%} kept <small>{span(fidelity.get('retention_ci'), '{:.1%}')}</small>"
        )
    return _line(metric_name(report), cells, kept)


def _fidelity(report: Document) -> str:
    fidelity = report.get("fidelity") or {}
    lines = []
    if fidelity.get("agreement") is not None:
        interval = f"<small>{span(fidelity.get('agreement_ci'), '{:.1%}')}</small>"
        lines.append(_line("Agreement", ["", ""], f"{fidelity['agreement']:.1%} {interval}"))
    lines += [
        _line(name.capitalize(), ["", ""], f"{fidelity[key]:.3f}")
        for key, name in CLOSENESS
        if fidelity.get(key) is not None
    ]
    if fidelity.get("ece_teacher") is not None and fidelity.get("ece_student") is not None:
        cells = [f"{fidelity['ece_teacher']:.3f}", f"{fidelity['ece_student']:.3f}"]
        lines.append(_line("Calibration error", cells, ""))
    return "".join(lines)


def _size(taught: Document, learnt: Document) -> str:
    cells = [f"{row['size_mb']:.1f} MB" for row in (taught, learnt)]
    return _line("Size", cells, _times(taught["size_mb"], learnt["size_mb"], "smaller"))


def _parameters(taught: Document, learnt: Document) -> str:
    cells = [millions(row) for row in (taught, learnt)]
    return _line("Parameters", cells, _times(taught["parameters"], learnt["parameters"], "fewer"))


def _latency(report: Document, taught: Document, learnt: Document) -> str:
    slow, fast = latency(report, taught), latency(report, learnt)
    if slow is None or fast is None:
        return ""
    with_threads = threads(fast["threads"])
    speedup = report.get("speedup")
    # The proven ratio, from paired rounds; dividing the two medians would give another one.
    ratio = f"{speedup['p50']:.1f}{TIMES} as fast" if speedup else ""
    if speedup:
        ratio += f" <small>{span(speedup.get('ci'), '{:.1f}' + TIMES)}</small>"
    lines = [
        _line(f"Latency p50, {with_threads}", [f"{each['p50_ms']:.2f} ms" for each in (slow, fast)], ratio)
    ]
    if slow.get("p95_ms") and fast.get("p95_ms"):
        cells = [f"{each['p95_ms']:.2f} ms" for each in (slow, fast)]
        lines.append(
            _line(f"Latency p95, {with_threads}", cells, _times(slow["p95_ms"], fast["p95_ms"], "as fast"))
        )
    if slow["p50_ms"] and fast["p50_ms"]:
        cells = [f"{rate(each)} texts/s" for each in (slow, fast)]
        # No ratio: it is the one of the latencies.
        lines.append(_line("Throughput, one by one", cells, ""))
    return "".join(lines)


def _times(larger: float, smaller: float, word: str) -> str:
    return f"{larger / smaller:.1f}{TIMES} {word}" if smaller else ""


def _kind(row: Document) -> str:
    runtimes = {"torch": "PyTorch", "onnxruntime": "ONNX Runtime"}
    return escape(f"{runtimes.get(str(row['runtime']), row['runtime'])}, {row['precision']}")


def _line(name: str, cells: list[str], ratio: str) -> str:
    """A row of the table; all but `name` is HTML made of numbers."""
    inside = "".join(f"<td>{cell}</td>" for cell in [*cells, ratio])
    return f'<tr><th scope="row">{escape(name)}</th>{inside}</tr>'
