"""A measurement for people, in the terminal."""

from collections.abc import Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from compress.bench.document import AS_THEY_COME, Bench, Cell

_WIDE = 20  # letters of a name that has a line of its own beside the figures


def render(bench: Bench) -> RenderableType:
    """A table of times, one of the models themselves, and what was disturbed."""
    parts: list[RenderableType] = [_times(bench), Text(), _models(bench), Text()]
    facts = f"{bench.machine.processor}, {bench.machine.cores} cores. Text to answer, tokenizer included; "
    facts += "model alone: without it. Intervals (95 %) and p90 are in the JSON document (--json, or --out FOLDER)."
    parts.append(Text(facts, style="dim"))
    noisy = sum(cell.noisy for cell in bench.cells)
    if noisy:
        parts.append(
            Text(
                f"{noisy} of {len(bench.cells)} rows (~) were measured beside other processes that were busy: "
                "try again on a quiet machine.",
                style="bold yellow",
            )
        )
    return Group(*parts)


def _times(bench: Bench) -> Table:
    table = _table()
    short = short_names([model.name for model in bench.models])
    longest = max(map(len, short.values()))
    for title in (
        "model",
        "threads",
        "texts",
        "p50 ms",
        "p95",
        "p99",
        "model alone",
        "texts / s",
        "first is",
    ):
        left = title == "model"
        table.add_column(
            title, justify="left" if left else "right", overflow="fold", no_wrap=left and longest <= _WIDE
        )
    places: dict[tuple[int, int, str], list[Cell]] = {}
    for cell in bench.cells:
        places.setdefault((cell.threads, cell.batch, cell.texts), []).append(cell)
    for cells in places.values():
        for cell in cells:
            table.add_row(*(Text(value) for value in _row(cell, bench.models[0].name, short[cell.model])))
        table.add_section()
    return table


def short_names(names: Sequence[str]) -> dict[str, str]:
    """What tells models apart: the last part of a path, or as many as it takes."""
    parts = {name: name.rstrip("/").split("/") for name in names}
    for count in range(1, max(map(len, parts.values()), default=0) + 1):
        found = {name: "/".join(own[-count:]) for name, own in parts.items()}
        if len(set(found.values())) == len(names):
            return found
    return {name: name for name in names}


def _row(cell: Cell, reference: str, name: str) -> Sequence[str]:
    low, high = cell.ratio_ci
    faster = f"{cell.ratio:.1f} x as fast [{low:.1f}, {high:.1f}]" if cell.model != reference else "-"
    return (
        name,
        str(cell.threads),
        f"{cell.batch} x {cell.texts}"
        if cell.texts != AS_THEY_COME
        else f"{cell.batch} x ~{cell.tokens:.0f} tokens",
        f"{'~' if cell.noisy else ''}{cell.p50.ms:.2f}",
        f"{cell.p95.ms:.2f}",
        f"{cell.p99.ms:.2f}",
        f"{cell.model_p50.ms:.2f}",
        f"{cell.texts_per_second:,.0f}",
        faster,
    )


def _models(bench: Bench) -> Table:
    table = _table()
    for title in ("model", "runtime", "precision", "MB", "cold start s", "peak memory MB"):
        table.add_column(title, justify="left" if title == "model" else "right", overflow="fold")
    for model in bench.models:
        table.add_row(
            Text(model.name),
            {"torch": "PyTorch", "onnxruntime": "ONNX Runtime"}[model.runtime],
            model.precision,
            f"{model.size_mb:.1f}",
            f"{model.cold_start_s:.1f}",
            f"{model.peak_memory_mb:,.0f}",
        )
    return table


def _table() -> Table:
    return Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False)
