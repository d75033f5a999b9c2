"""The figures of `report.json` as the head of the page."""

from html import escape

from app.report import TIMES, Document, shipped, span, threads
from app.table import table

_VERDICTS = {
    "pass": ("Passed", "Every threshold of the recipe is met, with the whole 95 % interval."),
    "fail": ("Failed", "At least one threshold of the recipe is missed."),
    "inconclusive": ("Inconclusive", "Too few measurements to settle every threshold of the recipe."),
}


def cards(report: Document, title: str) -> str:
    """The head of the page as HTML: title, verdict, headline figures, table, gates and provenance."""
    parts = [_hero(report, title), _headline(report), table(report), _details(report), _provenance(report)]
    return f'<div class="proof">{"".join(parts)}</div>'


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
    speedup = report.get("speedup")
    metric = str(report.get("metric") or "score")
    found = []
    if speedup:
        found.append(
            _card(
                "Speed-up",
                f"{speedup['p50']:.1f}{TIMES}",
                span(speedup["ci"], "{:.1f}" + TIMES),
                f"p50, {threads(speedup['threads'])}",
            )
        )
    if fidelity.get("retention") is not None:
        interval = span(fidelity.get("retention_ci"), "{:.1%}")
        found.append(
            _card("Retention", f"{fidelity['retention']:.1%}", interval, f"of the teacher's {metric}")
        )
    if fidelity.get("agreement") is not None:
        interval = span(fidelity.get("agreement_ci"), "{:.1%}")
        found.append(
            _card("Agreement", f"{fidelity['agreement']:.1%}", interval, "same label as the teacher")
        )
    if report.get("size_ratio") and (row := shipped(report)):
        ratio = f"{report['size_ratio']:.1f}{TIMES} smaller than the teacher"
        found.append(_card("Size", f"{row['size_mb']:.1f} MB", "", ratio))
    return f'<div class="cards">{"".join(found)}</div>'


def _card(name: str, value: str, interval: str, note: str) -> str:
    return (
        f'<div class="card"><p class="over">{escape(name)}</p><p class="value">{escape(value)}</p>'
        f'<p class="note">{escape(note)}</p><p class="note">{escape(interval)}</p></div>'
    )


def _details(report: Document) -> str:
    gates = "".join(
        f'<li><span class="verdict {escape(str(gate["status"]))}">{escape(str(gate["status"]))}</span> '
        f"{escape(str(gate['message']))} "
        f"<small>{escape(str(gate['name']))} {gate['threshold']:g}</small></li>"
        for gate in report.get("gates", [])
    )
    notes = "".join(f"<li>{escape(str(note))}</li>" for note in report.get("notes", []))
    if not gates and not notes:
        return ""
    return f"<details><summary>Thresholds and notes</summary><ul>{gates}{notes}</ul></details>"


def _provenance(report: Document) -> str:
    processor = (report.get("machine") or {}).get("processor") or "a machine that was not recorded"
    date = str(report.get("created", ""))[:10]
    rows = (report.get("fidelity") or {}).get("rows")
    counted = f", {rows:,} rows, intervals at 95 %" if rows else ""
    return f'<p class="note">Measured on {escape(str(processor))}, {escape(date)}{counted}.</p>'
