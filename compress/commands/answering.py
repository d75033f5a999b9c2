"""The commands that answer from a bundle: `predict`, `serve`, `demo`."""

import json
from pathlib import Path
from typing import Annotated

import typer

from compress.commands.frame import BundleArgument, stack

_DOUBT = 0.8  # of a cascade
_LONGEST_S = 86_400.0
InsecureOption = Annotated[bool, typer.Option("--insecure", help="Listen beyond this machine without a key.")]


def predict(
    bundle: BundleArgument,
    source: Annotated[Path, typer.Argument(help="A csv file with a header.", metavar="IN.csv")],
    target: Annotated[Path, typer.Argument(help="The csv file to write.", metavar="OUT.csv")],
    column: Annotated[str | None, typer.Option(help="The column that holds the texts.")] = None,
    pair_column: Annotated[
        str | None, typer.Option(help="The column of the second texts, for a model of pairs.")
    ] = None,
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
                pairs=model.takes_pairs,
                pair_column=pair_column,
                answering=model.answering,
                progress=lambda done, total: progress.update(task, completed=done, total=total),
            )
        typer.echo(f"{target}: {rows:,} rows answered")


def serve(
    bundle: Annotated[
        Path | None,
        typer.Argument(help="The bundle's folder; its model's name is its own.", metavar="BUNDLE"),
    ] = None,
    named: Annotated[
        list[str],
        typer.Option("--bundle", metavar="NAME=FOLDER", help="Another model, under this name; repeatable."),
    ] = [],  # noqa: B006 - typer copies it
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.")] = 8080,
    grpc_port: Annotated[int | None, typer.Option(help="Answer gRPC there, too (extra: grpc).")] = None,
    threads: Annotated[
        int | None, typer.Option(help="Threads of all sessions together; all by default.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Sessions side by side; measured at the start by default.")
    ] = None,
    api_key_file: Annotated[
        Path | None, typer.Option(help="A file with the key that clients must show; or set COMPRESS_API_KEY.")
    ] = None,
    insecure: InsecureOption = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Put a new version of the bundle in as it appears.")
    ] = False,
    drain_seconds: Annotated[
        float,
        typer.Option(min=0, max=_LONGEST_S, help="After SIGTERM: not ready, but answering, for so long."),
    ] = 5.0,
    log_requests: Annotated[
        bool, typer.Option("--log-requests", help="A line of JSON each, without texts.")
    ] = False,
    max_wait_seconds: Annotated[
        float, typer.Option(min=0.1, max=_LONGEST_S, help="Deadline of a request.")
    ] = 30.0,
    shadow: Annotated[
        Path | None, typer.Option(help="A teacher's bundle: compare a sample of the answers with it.")
    ] = None,
    sample: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="The share of texts that --shadow compares; 0.05 by default."),
    ] = None,
    cascade: Annotated[
        Path | None, typer.Option(help="A teacher's bundle: it answers where the student is in doubt.")
    ] = None,
    below: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="The probability that --cascade doubts; 0.8 by default."),
    ] = None,
    keep_texts: Annotated[
        bool, typer.Option("--keep-texts", help="Keep the texts in --shadow's log of disagreements.")
    ] = False,
) -> None:
    """Answer requests from a bundle: HTTP in the protocols that clients speak, and gRPC."""
    with stack("serve", "grpc" if grpc_port is not None else None):
        from serve.bundle import read_manifest
        from serve.key import read_key
        from serve.limits import Limits
        from serve.protocols.hugging_face import example
        from serve.server import Beside, Serving, named_bundles, serve_bundles

        if shadow is not None and cascade is not None:
            raise typer.BadParameter("give --shadow or --cascade: a cascade asks the teacher already")
        if cascade is None and below is not None:
            raise typer.BadParameter("--below says when --cascade asks the teacher: give --cascade too")
        if shadow is None and (sample is not None or keep_texts):
            option = "--keep-texts" if sample is None else "--sample"
            raise typer.BadParameter(f"{option} says what --shadow does: give --shadow too")
        beside = None
        if cascade is not None:
            beside = Beside(cascade, below=_DOUBT if below is None else below)
        elif shadow is not None:
            beside = Beside(shadow, share=sample, keep_texts=keep_texts)
        asked = Serving(
            bundles=named_bundles(bundle, named),
            host=host,
            port=port,
            grpc_port=grpc_port,
            threads=threads,
            workers=workers,
            limits=Limits(seconds=max_wait_seconds),
            insecure=insecure,
            key=read_key(api_key_file),
            log_requests=log_requests,
            watch=watch,
            drain_seconds=drain_seconds,
            beside=beside,
        )
        first = read_manifest(next(iter(asked.bundles.values())))
        path, body = example(first.answering, pairs=first.text_pair)
        serve_bundles(asked, ready=lambda url: _say_where(url, path, body))


def demo(
    bundle: BundleArgument,
    teacher: Annotated[
        str | None, typer.Option(help="A model folder or another bundle, to answer live as the teacher.")
    ] = None,
    endpoint: Annotated[
        str | None,
        typer.Option(
            metavar="URL", help="A running `compress serve`, to answer as the student and be watched."
        ),
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.")] = 7860,
    insecure: InsecureOption = False,
    share: Annotated[
        bool,
        typer.Option("--share", help="A public address through Gradio's tunnel: whoever has it can ask."),
    ] = False,
    mcp: Annotated[
        bool, typer.Option("--mcp", help="Also speak the Model Context Protocol (extra: mcp).")
    ] = False,
) -> None:
    """Show the model beside its teacher, in the browser."""
    with stack("demo", "app"):
        from compress.demo import show_demo

        show_demo(
            bundle, teacher, endpoint, host=host, port=port, insecure=insecure, share=share, mcp=mcp,
            ready=_say_page,
        )  # fmt: skip


def _say_where(url: str, path: str, body: object) -> None:
    request = f"-H 'Content-Type: application/json' -d '{json.dumps(body)}'"
    typer.echo(f"Answering at {url}\n  curl {url}{path} {request}\n  API: {url}/docs   stop: Ctrl-C")


def _say_page(url: str) -> None:
    typer.echo(f"Open {url} in a browser.   stop: Ctrl-C")
