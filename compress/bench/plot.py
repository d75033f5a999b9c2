"""A measurement as one page: for every model the time from p50 to p99, a panel for each kind of call."""

from pathlib import Path

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from compress.bench.document import AS_THEY_COME, Bench, Cell

PAGE, FIGURES = "bench.html", "bench.json"
_COLOURS = ("#0f766e", "#64748b", "#b45309", "#7c3aed", "#be123c", "#0369a1")
_LINE, _PANEL, _FRAME = 30, 90, 130  # pixels


def write_plot(bench: Bench, folder: Path) -> Path:
    """Write `bench.json` and the page beside it, which needs no network; returns the page's path."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FIGURES).write_text(bench.model_dump_json(indent=2) + "\n", encoding="utf-8")
    page = folder / PAGE
    drawn = figure(bench).to_html(include_plotlyjs=True, full_html=True, config={"displaylogo": False})
    page.write_text(drawn, encoding="utf-8")
    return page


def figure(bench: Bench) -> go.Figure:
    """One panel for each number of texts in a call and kind of texts, a line for each model and thread count."""
    panels: dict[str, list[Cell]] = {}
    for cell in bench.cells:
        panels.setdefault(_call(cell), []).append(cell)
    drawn = make_subplots(
        rows=len(panels), cols=1, subplot_titles=list(panels), vertical_spacing=0.25 / len(panels)
    )
    colours = {one.name: _COLOURS[number % len(_COLOURS)] for number, one in enumerate(bench.models)}
    for row, cells in enumerate(panels.values(), start=1):
        for cell in cells:
            drawn.add_trace(_line(cell, colours[cell.model]), row=row, col=1)
        drawn.update_xaxes(type="log", title_text="ms, p50 and p95, up to p99", row=row, col=1)
        drawn.update_yaxes(autorange="reversed", row=row, col=1)
    drawn.update_layout(
        title=f"Text to answer on {bench.device}: {bench.machine.processor}, {bench.machine.cores} cores",
        showlegend=False,
        template="plotly_white",
        height=_FRAME + _PANEL * len(panels) + _LINE * len(bench.cells),
        margin={"l": 20, "r": 20},
    )
    drawn.update_yaxes(automargin=True)
    return drawn


def _call(cell: Cell) -> str:
    texts = (
        f"texts as they come (about {cell.tokens:.0f} tokens)" if cell.texts == AS_THEY_COME else cell.texts
    )
    return f"{cell.batch} x {texts}"


def _line(cell: Cell, colour: str) -> go.Scatter:
    name = f"{cell.model}, {cell.threads} thread{'s' * (cell.threads > 1)}{' ~' * cell.noisy}"
    times = [cell.p50.ms, cell.p95.ms, cell.p99.ms]
    return go.Scatter(
        x=times,
        y=[name] * len(times),
        mode="lines+markers+text",
        text=[f"{cell.p50.ms:.2f}", "", ""],
        textposition="top center",
        hovertext=[
            f"{what} {value:.2f} ms" for what, value in zip(("p50", "p95", "p99"), times, strict=True)
        ],
        hoverinfo="text",
        line={"color": colour, "width": 3},
        marker={"color": colour, "size": [13, 9, 6], "symbol": ["circle", "line-ns-open", "line-ns-open"]},
    )
