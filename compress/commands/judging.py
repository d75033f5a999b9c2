"""The commands that measure what was made, without PyTorch: `verify`, `bench`."""

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from compress.commands.frame import VERDICT_CODES, BundleArgument, JsonOption, me, stack


def verify(
    bundle: BundleArgument,
    data: Annotated[
        Path | None,
        typer.Option(help="A csv, tsv or jsonl file to judge by, instead of the bundle's own rows."),
    ] = None,
    seconds: Annotated[
        float, typer.Option(min=1, help="Seconds of timing, for each number of threads.")
    ] = 10.0,
    json_: JsonOption = False,
) -> None:
    """The verdict again on this machine, from the bundle alone, without PyTorch.

    Exit codes: 0 every gate that can be measured passed, 2 something for you to mend (an altered bundle, say),
    3 a gate missed, 4 inconclusive.
    """
    with stack("verify", "verify"):
        from rich.console import Console

        from compress.terminal import Terminal
        from compress.verify.pipeline import verify_bundle
        from compress.verify.table import render

        found = verify_bundle(bundle, data, Terminal(), seconds=seconds)
        if json_:
            typer.echo(found.model_dump_json(indent=2))
        else:
            console = Console(highlight=False)
            console.print()
            console.print(render(found))
    raise typer.Exit(VERDICT_CODES[found.verdict])


def bench(
    bundle: BundleArgument,
    against: Annotated[
        list[str],
        typer.Option(help="Another bundle, or a model folder or Hub id to run in PyTorch; repeatable."),
    ] = [],  # noqa: B006 - typer copies it
    batch_sizes: Annotated[str, typer.Option(help="Texts in a call, separated by commas.")] = "1",
    lengths: Annotated[
        str | None, typer.Option(help="Fixed lengths in tokens, as in 16,128; without it texts as they come.")
    ] = None,
    texts: Annotated[
        Path | None, typer.Option(help="A .txt file of texts; the bundle's test rows without it.")
    ] = None,
    threads: Annotated[
        str | None, typer.Option(help="As in 1,2,4; without it one and as many as there are.")
    ] = None,
    seconds: Annotated[
        float, typer.Option(min=1, help="For each row of the table, on a quiet machine.")
    ] = 10,
    device: Annotated[str, typer.Option(help="cpu, or cuda: a GPU alone, or an error.")] = "cpu",
    out: Annotated[
        Path | None, typer.Option(help="A folder for the figures (bench.json) and a page that draws them.")
    ] = None,
    json_: JsonOption = False,
) -> None:
    """How fast it answers on this machine: in turns with others, tokenizer included."""
    with stack("bench", "verify"):
        from rich.console import Console

        from compress.bench.asked import known_device, numbers
        from compress.bench.pipeline import Asked, run_bench
        from compress.bench.plot import write_plot
        from compress.bench.table import render
        from compress.terminal import Terminal

        asked = Asked(
            bundle=str(bundle),
            against=against,
            batch_sizes=numbers("--batch-sizes", batch_sizes),
            lengths=numbers("--lengths", lengths),
            texts=texts,
            threads=numbers("--threads", threads),
            seconds=seconds,
            device=known_device(device),
            reproduce=f"{me()} {shlex.join(argument for argument in sys.argv[1:] if argument != '--json')}",
        )
        found = run_bench(asked, Terminal())
        page = write_plot(found, out) if out else None
        if json_:
            typer.echo(found.model_dump_json(indent=2))
            return
        console = Console(highlight=False)
        console.print()
        console.print(render(found))
        if page:
            console.print(f"\nPlot: {page}\nFigures: {page.with_suffix('.json')}", soft_wrap=True)
