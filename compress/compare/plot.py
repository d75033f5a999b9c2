"""A comparison as one page for people: the answer, the drawing, the figures. One file, no network."""

from collections.abc import Sequence
from html import escape
from pathlib import Path

from compress.compare.document import Comparison, MethodRow
from compress.compare.figure import figure
from compress.compare.wording import capital, duration, gain_span, metric_name, p_value
from compress.judge.wording import percent

PAGE, DRAWING = "compare.html", "compare.svg"

_VERDICTS = {True: ("Helped", "pass"), False: ("Did not help", "fail"), None: ("Not settled", "inconclusive")}
_NONE = "-"
_STYLE = """
:root { color-scheme: light dark; --page: #f8fafc; --paper: #ffffff; --ink: #0f172a; --soft: #475569;
  --rule: #e2e8f0; }
@media (prefers-color-scheme: dark) { :root { --page: #0b1220; --paper: #111c30; --ink: #f1f5f9;
  --soft: #a9b6c8; --rule: #2b3a52; } }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 16px/1.5 ui-sans-serif, system-ui, -apple-system, "Segoe UI", sans-serif; }
main { max-width: 1060px; margin: 0 auto; padding: 28px 20px 40px; display: flex; flex-direction: column;
  gap: 18px; }
p, h1 { margin: 0; }
h1 { font-size: 1.55rem; line-height: 1.3; letter-spacing: -0.015em; margin: 2px 0 6px; text-wrap: balance;
  overflow-wrap: anywhere; }
.over { font-size: 0.74rem; font-weight: 600; text-transform: uppercase; letter-spacing: 0.07em;
  color: var(--soft); }
.note { font-size: 0.85rem; color: var(--soft); overflow-wrap: anywhere; }
.hero { display: flex; justify-content: space-between; align-items: flex-start; gap: 24px; }
.verdict { padding: 5px 14px; border-radius: 999px; font-weight: 650; font-size: 0.95rem; white-space: nowrap;
  color: #fff; }
.pass { background: #0b7a4b; } .fail { background: #b3261e; } .inconclusive { background: #8a5a00; }
.sheet { border: 1px solid var(--rule); border-radius: 12px; background: var(--paper); overflow-x: auto; }
.sheet svg { display: block; width: 100%; min-width: 760px; height: auto; }
table { width: 100%; border-collapse: collapse; font-size: 0.88rem; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: 8px 10px; border-top: 1px solid var(--rule); white-space: nowrap; }
thead th { border-top: 0; font-weight: 650; }
tbody th { font-weight: 500; white-space: normal; min-width: 7em; }
tr.best th, tr.best td { font-weight: 700; }
tr.apart > * { border-top: 2px solid var(--soft); }
small { color: var(--soft); font-weight: 400; }
code { font-size: 0.9em; }
@media (max-width: 640px) { .hero { flex-direction: column-reverse; gap: 8px; } h1 { font-size: 1.25rem; } }
"""


def write_plot(comparison: Comparison, folder: Path) -> Path:
    """Write `compare.html` and, for documents, `compare.svg` into the folder; returns the page's path."""
    (folder / DRAWING).write_text(figure(comparison), encoding="utf-8")
    path = folder / PAGE
    path.write_text(page(comparison), encoding="utf-8")
    return path


def page(comparison: Comparison) -> str:
    """The page as HTML, in light or dark as its reader prefers."""
    word, look = _VERDICTS[comparison.helped]
    notes = "".join(f'<p class="note">{escape(note)}</p>' for note in comparison.notes)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Did distillation help?</title><style>{_STYLE}</style></head><body><main>"
        f'<div class="hero"><div><p class="over">Did distillation help?</p>'
        f"<h1>{escape(capital(comparison.sentence))}</h1><p>{escape(_student(comparison))}</p></div>"
        f'<span class="verdict {look}">{word}</span></div>'
        f'<div class="sheet">{figure(comparison)}</div>'
        f'<div class="sheet">{_table(comparison)}</div>{notes}{_provenance(comparison)}</main></body></html>\n'
    )


def _student(comparison: Comparison) -> str:
    student = comparison.student
    layers = f"{student.layers} layers, " if student.layers is not None else ""
    return (
        f"The same student every time: {layers}{student.parameters / 1e6:.1f} M parameters, "
        f"{student.size_mb:.1f} MB, {comparison.precision}."
    )


def _table(comparison: Comparison) -> str:
    heads = (
        "Method",
        capital(metric_name(comparison.metric)),
        "Agreement",
        "Retention",
        "Points over plain",
        "p",
        "Learning rate",
        "Training",
    )
    lines = []
    above: MethodRow | None = None
    for row in comparison.methods:
        looks = ["best"] if row.name == comparison.best else []
        if above is not None and {above.kind, row.kind} & {"teacher", "floor"}:
            looks.append("apart")
        name, *figures = _cells(row)
        cells = f'<th scope="row">{name}</th>' + "".join(f"<td>{cell}</td>" for cell in figures)
        lines.append(f'<tr class="{" ".join(looks)}">{cells}</tr>')
        above = row
    columns = "".join(f'<th scope="col">{escape(head)}</th>' for head in heads)
    return f"<table><thead><tr>{columns}</tr></thead><tbody>{''.join(lines)}</tbody></table>"


def _cells(row: MethodRow) -> Sequence[str]:
    low, high = row.score_ci
    gain = row.gain
    rates = sorted({seed.learning_rate for seed in row.seeds if seed.learning_rate is not None})
    return (
        escape(row.name).replace("+", "+<wbr>"),
        f"{row.score:.3f} <small>[{low:.3f}, {high:.3f}]</small>",
        _share(row.agreement, row.agreement_ci),
        _share(row.retention, row.retention_ci),
        _NONE if gain is None else _small(gain_span(gain.value, gain.interval)),
        _NONE if gain is None else escape(p_value(gain.p_value)),
        ", ".join(f"{rate:g}" for rate in rates) or _NONE,
        escape(duration(row.training_seconds)),
    )


def _share(value: float | None, ci: tuple[float, float] | None) -> str:
    return _NONE if value is None or ci is None else _small(percent(value, ci))


def _small(shown: str) -> str:
    """The interval behind a value in small letters."""
    value, bracket, interval = shown.partition("[")
    return f"{escape(value)}<small>{bracket}{escape(interval)}</small>"


def _provenance(comparison: Comparison) -> str:
    rows = comparison.rows.get("test")
    counted = f"{rows:,} reported rows, " if rows else ""
    seeds = max(len(row.seeds) for row in comparison.methods)
    means = f"means over {seeds} seeds, training times their sums, " if seeds > 1 else ""
    return (
        f'<p class="note">Measured on {escape(comparison.machine.processor)}, {escape(comparison.created[:10])}, '
        f"{counted}{means}intervals at 95 %. The best is chosen on the selection rows alone. "
        f"Again: <code>{escape(comparison.reproduce)}</code></p>"
    )
