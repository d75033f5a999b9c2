"""The table that sets the student beside the teacher, from `report.json`."""

from html import escape

from app.report import TIMES, Document, latency, shipped, span, teacher, threads


def table(report: Document) -> str:
    """Score, size, latency and parameters of both as an HTML table; empty without rows for both."""
    taught, learnt = teacher(report), shipped(report)
    if taught is None or learnt is None:
        return ""
    lines = [
        _score(report, taught, learnt),
        _size(taught, learnt),
        _latency(report, taught, learnt),
        _parameters(taught, learnt),
    ]
    heads = "".join(
        f'<th scope="col">{name} <small>{_kind(row)}</small></th>'
        for name, row in (("Teacher", taught), ("Student", learnt))
    )
    return (
        f'<table><thead><tr><th></th>{heads}<th scope="col">Ratio</th></tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table>"
    )


def _score(report: Document, taught: Document, learnt: Document) -> str:
    metric = str(report.get("metric") or "agreement").replace("_", " ").capitalize()
    cells = [
        f"{row['score']:.1%} <small>{span(row.get('score_ci'), '{:.1%}')}</small>" for row in (taught, learnt)
    ]
    retention = (report.get("fidelity") or {}).get("retention")
    return _line(metric, cells, f"{retention:.1%} kept" if retention is not None else "")


def _size(taught: Document, learnt: Document) -> str:
    cells = [f"{row['size_mb']:.1f} MB" for row in (taught, learnt)]
    return _line("Size", cells, _times(taught["size_mb"], learnt["size_mb"], "smaller"))


def _latency(report: Document, taught: Document, learnt: Document) -> str:
    slow, fast = latency(report, taught), latency(report, learnt)
    if slow is None or fast is None:
        return ""
    speedup = report.get("speedup")
    # The proven ratio, from paired rounds; dividing the two medians would give another one.
    ratio = f"{speedup['p50']:.1f}{TIMES} as fast" if speedup else ""
    cells = [f"{each['p50_ms']:.2f} ms" for each in (slow, fast)]
    return _line(f"Latency p50, {threads(fast['threads'])}", cells, ratio)


def _parameters(taught: Document, learnt: Document) -> str:
    cells = [f"{row['parameters'] / 1e6:.2f} M" for row in (taught, learnt)]
    return _line("Parameters", cells, _times(taught["parameters"], learnt["parameters"], "fewer"))


def _times(larger: float, smaller: float, word: str) -> str:
    return f"{larger / smaller:.1f}{TIMES} {word}" if smaller else ""


def _kind(row: Document) -> str:
    runtimes = {"torch": "PyTorch", "onnxruntime": "ONNX Runtime"}
    return escape(f"{runtimes.get(str(row['runtime']), row['runtime'])}, {row['precision']}")


def _line(name: str, cells: list[str], ratio: str) -> str:
    """A row of the table; all but `name` is HTML made of numbers."""
    inside = "".join(f"<td>{cell}</td>" for cell in [*cells, ratio])
    return f'<tr><th scope="row">{escape(name)}</th>{inside}</tr>'
