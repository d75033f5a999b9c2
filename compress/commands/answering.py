"""The commands that answer from a bundle: `predict`, `serve`, `demo`."""

from pathlib import Path
from typing import Annotated

import typer

from compress.commands.frame import BundleArgument, stack

InsecureOption = Annotated[bool, typer.Option("--insecure", help="Listen beyond this machine without a key.")]


def predict(
    bundle: BundleArgument,
    source: Annotated[Path, typer.Argument(help="A csv file with a header.", metavar="IN.csv")],
    target: Annotated[Path, typer.Argument(help="The csv file to write.", metavar="OUT.csv")],
    column: Annotated[str | None, typer.Option(help="The column that holds the texts.")] = None,
) -> None:
    """Answer every row of a csv file."""
    with stack("predict", None):
        from rich.console import Console
        from rich.progress import Progress

        import serve
        from serve.csv_file import predict_csv

        model = serve.load(bundle)
        with Progress(console=Console(stderr=True), transient=True) as progress:
            task = progress.add_task("answers", total=None)
            rows = predict_csv(
                model,
                source,
                target,
                column=column,
                progress=lambda done, total: progress.update(task, completed=done, total=total),
            )
        typer.echo(f"{target}: {rows:,} rows answered")


def serve(
    bundle: BundleArgument,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.")] = 8080,
    threads: Annotated[int | None, typer.Option(help="Threads of one inference; all by default.")] = None,
    insecure: InsecureOption = False,
) -> None:
    """Answer HTTP requests from a bundle."""
    with stack("serve", None):
        from serve.server import serve_bundle

        serve_bundle(bundle, host, port, threads=threads, insecure=insecure, ready=_say_where)


def demo(
    bundle: BundleArgument,
    teacher: Annotated[
        str | None, typer.Option(help="A model folder or another bundle, to answer live as the teacher.")
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.")] = 7860,
    insecure: InsecureOption = False,
) -> None:
    """Show the model beside its teacher, in the browser."""
    with stack("demo", "app"):
        from compress.demo import show_demo

        show_demo(bundle, teacher, host=host, port=port, insecure=insecure, ready=_say_page)


def _say_where(url: str) -> None:
    example = """-H 'Content-Type: application/json' -d '{"inputs": "some text"}'"""
    typer.echo(f"Answering at {url}\n  curl {url}/predict {example}\n  API: {url}/docs   stop: Ctrl-C")


def _say_page(url: str) -> None:
    typer.echo(f"Open {url} in a browser.   stop: Ctrl-C")
