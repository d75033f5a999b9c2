"""The head of the page: what is shown, the verdict, and the figures that matter most."""

from html import escape

from app.report import (
    CLOSENESS,
    TIMES,
    Document,
    doubt,
    kind,
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

_VERDICTS = {
    "pass": ("Passed", "Every threshold of the recipe is met, with the whole 95 % interval."),
    "fail": ("Failed", "At least one threshold of the recipe is missed."),
    "inconclusive": ("Inconclusive", "Too few measurements to settle every threshold of the recipe."),
}

SAME_LABEL = "same label as the teacher"
_MARKS = {"pass": "\u2713", "fail": "\u2717", "inconclusive": "?"}


def head(report: Document, title: str, agreement: str = SAME_LABEL) -> str:
    """Title, verdict, thresholds, headline figures and where they were measured, as HTML.

    `agreement` says on which rows the two agree.
    """
    return (
        f'<div class="proof">{_hero(report, title)}{_thresholds(report)}{_headline(report, agreement)}'
        f"{provenance(report)}</div>"
    )


def _hero(report: Document, title: str) -> str:
    verdict = str(report.get("verdict", "inconclusive"))
    word, sentence = _VERDICTS.get(verdict, _VERDICTS["inconclusive"])
    unmet = [gate["message"] for gate in report.get("gates", []) if gate.get("status") != "pass"]
    sentence = " ".join([sentence, *map(str, unmet)])
    return (
        f'<div class="hero"><div><p class="over">{escape(kind(report))}</p>'
        f"<h1>{escape(title)}</h1><p>{escape(sentence)}</p></div>"
        f'<span class="verdict {escape(verdict)}">{word}</span></div>'
    )


def _thresholds(report: Document) -> str:
    """Every gate with its state, in a line; what was found of it is in the figures."""
    marks = "".join(
        f'<li class="{escape(str(gate["status"]))}" title="{escape(str(gate["message"]))}">'
        f"{_MARKS.get(str(gate['status']), '?')} {escape(_asked(gate))}</li>"
        for gate in report.get("gates", [])
    )
    return f'<ul class="thresholds" aria-label="Thresholds">{marks}</ul>' if marks else ""


def _asked(gate: Document) -> str:
    """A gate in words: `min_retention` of 0.95 is "retention at least 0.95"."""
    end, _, what = str(gate["name"]).partition("_")
    what, unit = (what.removesuffix("_mb"), " MB") if what.endswith("_mb") else (what, "")
    bound = {"min": "at least", "max": "at most"}.get(end)
    if bound is None:
        return str(gate["name"])
    return f"{what.replace('_', ' ')} {bound} {gate['threshold']:g}{unit}"


def _headline(report: Document, agreement: str) -> str:
    taught, learnt = teacher(report), shipped(report)
    cards = [_score_card(report, taught, learnt), _agreement_card(report, agreement)]
    if taught and learnt:
        cards += [_speed_card(report, taught, learnt), _size_card(report, taught, learnt)]
    return f'<div class="cards">{"".join(cards)}</div>'


def _score_card(report: Document, taught: Document | None, learnt: Document | None) -> str:
    if not (taught and learnt and report.get("metric")):
        return ""
    fidelity = report.get("fidelity") or {}
    kept = ""
    if fidelity.get("retention") is not None:
        kept = f"{fidelity['retention']:.1%} kept, {span(fidelity.get('retention_ci'), '{:.1%}')}"
    form = score_form(report)
    against = f"teacher {form.format(taught['score'])}"
    interval = span(learnt.get("score_ci"), form)
    return _card(metric_name(report), form.format(learnt["score"]), interval, against, kept)


def _agreement_card(report: Document, means: str) -> str:
    fidelity = report.get("fidelity") or {}
    if fidelity.get("agreement") is None:
        return ""
    interval = span(fidelity.get("agreement_ci"), "{:.1%}")
    more = [f"{name} {fidelity[key]:.3f}" for key, name in CLOSENESS if fidelity.get(key) is not None]
    return _card("Agreement", f"{fidelity['agreement']:.1%}", interval, means, *more)


def _speed_card(report: Document, taught: Document, learnt: Document) -> str:
    speedup = report.get("speedup")
    if not speedup:
        return ""
    slow, fast = latency(report, taught), latency(report, learnt)
    lines = [f"{span(speedup['ci'], '{:.1f}' + TIMES)}, {threads(speedup['threads'])}", doubt(speedup)]
    if slow and fast:
        lines += [
            f"{name} {fast[key]:.2f} ms, teacher {slow[key]:.2f}"
            for name, key in (("p50", "p50_ms"), ("p95", "p95_ms"))
            if fast.get(key) and slow.get(key)
        ]
        lines.append(f"{rate(fast)} texts/s, teacher {rate(slow)}")
    return _card("Speed", f"{speedup['p50']:.1f}{TIMES} as fast", *lines)


def _size_card(report: Document, taught: Document, learnt: Document) -> str:
    if not report.get("size_ratio"):
        return ""
    return _card(
        "Size",
        f"{learnt['size_mb']:.1f} MB",
        f"{report['size_ratio']:.1f}{TIMES} smaller",
        f"teacher {taught['size_mb']:.1f} MB",
        f"{millions(learnt)} parameters, " + f"teacher {millions(taught)}".replace(" ", "\u00a0"),
    )


def _card(name: str, value: str, *notes: str) -> str:
    lines = "".join(f'<p class="note">{escape(note)}</p>' for note in notes if note)
    return f'<div class="card"><p class="over">{escape(name)}</p><p class="value">{escape(value)}</p>{lines}</div>'


def provenance(report: Document) -> str:
    """Where, when and over how many rows the figures were measured."""
    processor = (report.get("machine") or {}).get("processor") or "a machine that was not recorded"
    date = str(report.get("created", ""))[:10]
    rows = (report.get("fidelity") or {}).get("rows")
    counted = f", {rows:,} test rows, intervals at 95 %" if rows else ""
    return f'<p class="note">Measured on {escape(str(processor))}, {escape(date)}{counted}.</p>'
