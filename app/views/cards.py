"""The head of the page: what is shown, the verdict, and the figures that matter most."""

from html import escape

from app.report import TIMES, Document, latency, metric_name, shipped, span, teacher, threads

_VERDICTS = {
    "pass": ("Passed", "Every threshold of the recipe is met, with the whole 95 % interval."),
    "fail": ("Failed", "At least one threshold of the recipe is missed."),
    "inconclusive": ("Inconclusive", "Too few measurements to settle every threshold of the recipe."),
}


def head(report: Document, title: str) -> str:
    """Title, verdict, headline figures and where they were measured, as HTML."""
    return f'<div class="proof">{_hero(report, title)}{_headline(report)}{provenance(report)}</div>'


def _hero(report: Document, title: str) -> str:
    verdict = str(report.get("verdict", "inconclusive"))
    word, sentence = _VERDICTS.get(verdict, _VERDICTS["inconclusive"])
    unmet = [gate["message"] for gate in report.get("gates", []) if gate.get("status") != "pass"]
    sentence = " ".join([sentence, *map(str, unmet)])
    return (
        f'<div class="hero"><div><p class="over">{escape(str(report.get("task", "")).replace("-", " "))}</p>'
        f"<h1>{escape(title)}</h1><p>{escape(sentence)}</p></div>"
        f'<span class="verdict {escape(verdict)}">{word}</span></div>'
    )


def _headline(report: Document) -> str:
    fidelity = report.get("fidelity") or {}
    taught, learnt = teacher(report), shipped(report)
    found = []
    if taught and learnt and report.get("metric"):
        kept = ""
        if fidelity.get("retention") is not None:
            kept = f"{fidelity['retention']:.1%} kept, {span(fidelity.get('retention_ci'), '{:.1%}')}"
        found.append(
            _card(
                metric_name(report),
                f"{learnt['score']:.1%}",
                f"{span(learnt.get('score_ci'), '{:.1%}')}, teacher {taught['score']:.1%}".lstrip(", "),
                kept,
            )
        )
    if fidelity.get("agreement") is not None:
        interval = span(fidelity.get("agreement_ci"), "{:.1%}")
        found.append(
            _card("Agreement", f"{fidelity['agreement']:.1%}", "same label as the teacher", interval)
        )
    if speedup := report.get("speedup"):
        slow, fast = latency(report, taught), latency(report, learnt)
        pair = f"{fast['p50_ms']:.2f} ms, teacher {slow['p50_ms']:.2f} ms" if slow and fast else "p50"
        interval = f"{span(speedup['ci'], '{:.1f}' + TIMES)}, {threads(speedup['threads'])}"
        found.append(_card("Speed", f"{speedup['p50']:.1f}{TIMES} as fast", pair, interval))
    if report.get("size_ratio") and taught and learnt:
        found.append(
            _card(
                "Size",
                f"{learnt['size_mb']:.1f} MB",
                f"teacher {taught['size_mb']:.1f} MB",
                f"{report['size_ratio']:.1f}{TIMES} smaller",
            )
        )
    return f'<div class="cards">{"".join(found)}</div>'


def _card(name: str, value: str, beside: str, interval: str) -> str:
    return (
        f'<div class="card"><p class="over">{escape(name)}</p><p class="value">{escape(value)}</p>'
        f'<p class="note">{escape(beside)}</p><p class="note">{escape(interval)}</p></div>'
    )


def provenance(report: Document) -> str:
    """Where, when and over how many rows the figures were measured."""
    processor = (report.get("machine") or {}).get("processor") or "a machine that was not recorded"
    date = str(report.get("created", ""))[:10]
    rows = (report.get("fidelity") or {}).get("rows")
    counted = f", {rows:,} test rows, intervals at 95 %" if rows else ""
    return f'<p class="note">Measured on {escape(str(processor))}, {escape(date)}{counted}.</p>'
