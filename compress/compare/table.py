"""A comparison for people, in the terminal: a row per method, the answer last.

    Console().print(render(comparison))

Reads well at 80 columns, and without colour: what colour says is also said in words or by a mark.
"""

from collections.abc import Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from compress.compare.document import Comparison, Kind, MethodRow
from compress.compare.wording import capital, duration, gain_span, metric_name, p_value

__all__ = ["render"]

_NONE = "-"
_BEST = "*"
_BLOCKS: tuple[tuple[Kind, ...], ...] = (("teacher",), ("plain", "distilled"), ("floor",))


def render(comparison: Comparison) -> RenderableType:
    """The table with the teacher and the floor set apart, how to read it, and the answer."""
    style = {True: "bold green", False: "bold red", None: "bold yellow"}[comparison.helped]
    parts: list[RenderableType] = [_table(comparison), Text(), Text(_legend(comparison), style="dim"), Text()]
    if comparison.notes:
        parts += [*(Text(f"Note: {note}") for note in comparison.notes), Text()]
    # Text, not markup: a note or a name may hold square brackets.
    parts.append(Text(capital(comparison.sentence), style=style))
    return Group(*parts)


def _table(comparison: Comparison) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False)
    table.add_column("method", overflow="fold")
    table.add_column(metric_name(comparison.metric), no_wrap=True)
    table.add_column("agree-\nment", justify="right", no_wrap=True)
    table.add_column("points over plain", no_wrap=True)
    table.add_column("p", justify="right", no_wrap=True)
    table.add_column("train-\ning", justify="right", no_wrap=True)
    for block in _BLOCKS:
        for row in comparison.methods:
            if row.kind in block:
                best = row.name == comparison.best
                table.add_row(*(Text(cell) for cell in _cells(row, best)), style="bold" if best else None)
        table.add_section()
    return table


def _cells(row: MethodRow, best: bool) -> Sequence[str]:
    low, high = row.score_ci
    return (
        f"{row.name} {_BEST}" if best else row.name,
        f"{row.score:.3f} [{low:.3f}, {high:.3f}]",
        _NONE if row.agreement is None else f"{100 * row.agreement:.1f} %",
        _NONE if row.gain is None else gain_span(row.gain.value, row.gain.interval),
        _NONE if row.gain is None else p_value(row.gain.p_value),
        duration(row.training_seconds),
    )


def _legend(comparison: Comparison) -> str:
    seeds = max(len(row.seeds) for row in comparison.methods)
    gains = [row.gain for row in comparison.methods if row.gain is not None]
    facts = []
    if comparison.best is not None:
        facts.append(f"{_BEST} best by its score on the selection rows, which are none of the reported rows.")
    if seeds > 1:
        facts.append(f"Scores are means over {seeds} seeds, training times their sums.")
    facts.append("Intervals: 95 %.")
    if gains:
        drawn = "rows and seeds" if any(gain.ci_seeds for gain in gains) else "rows"
        test = (
            "McNemar's exact test" if seeds == 1 and comparison.metric == "accuracy" else "randomisation test"
        )
        facts.append(
            f"Points over plain: 100 times the score less the plain student's on the same rows, {drawn} resampled; "
            f"p: {test}, each method by itself."
        )
    return " ".join(facts)
