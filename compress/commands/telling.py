"""The commands that tell what a bundle is, and give it on: `inspect`, `push`."""

from pathlib import Path
from typing import Annotated

import typer

from compress.commands.frame import BundleArgument, JsonOption, stack


def inspect(bundle: BundleArgument, json_: JsonOption = False) -> None:
    """What a bundle is: the verdict, its models, gates, files with digests, and how to make it again."""
    with stack("inspect", None):
        from rich.console import Console

        from compress.inspection import inspect_bundle, render

        found = inspect_bundle(bundle)
        if json_:
            typer.echo(found.model_dump_json(indent=2))
        else:
            Console(highlight=False).print(render(found))


def push(
    bundle: BundleArgument,
    repo: Annotated[str, typer.Argument(help="Where on the Hub: owner/name.", metavar="REPO")],
    with_rows: Annotated[
        bool, typer.Option("--with-rows", help="Send the test rows, too: they are people's texts.")
    ] = False,
    private: Annotated[bool, typer.Option("--private", help="A repository that only you can read.")] = False,
    revision: Annotated[str | None, typer.Option(help="The branch; main by default.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be sent, and send nothing.")
    ] = False,
) -> None:
    """Upload a bundle to the Hugging Face Hub."""
    with stack("push", "hub"):
        from rich.console import Console

        from compress.push import Destination, make_parcel, render
        from compress.push import push as send
        from compress.terminal import Terminal

        parcel, to = make_parcel(Path(bundle), with_rows=with_rows), Destination(repo, private, revision)
        console = Console(highlight=False)
        console.print(render(parcel, to))
        if dry_run:
            console.print("\nNothing was sent.")
            return
        typer.echo(f"\n{send(parcel, to, Terminal())}")
