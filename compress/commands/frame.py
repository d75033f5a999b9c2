"""What every command stands in: its exit codes, its name, what it says where a package is missing."""

import os
import shlex
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

MISTAKE, MISSED, INCONCLUSIVE, STOPPED = 2, 3, 4, 130
VERDICT_CODES = {"pass": 0, "fail": MISSED, "inconclusive": INCONCLUSIVE}

BundleArgument = Annotated[Path, typer.Argument(help="The bundle's folder.", metavar="BUNDLE")]
SetOption = Annotated[
    list[str], typer.Option("--set", metavar="KEY=VALUE", help="Override a key of the recipe; repeatable.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print what was found as JSON on stdout.")]


def me() -> str:
    """How to call this program again, as it was called: works as printed, without activating anything."""
    program = Path(sys.argv[0])
    if program.name.startswith("__main__"):
        return f"{shlex.quote(sys.executable)} -m compress"
    found = shutil.which("compress")
    if found and Path(found).resolve() == program.resolve():
        return "compress"
    return shlex.quote(os.path.relpath(program) if program.is_relative_to(Path.cwd()) else str(program))


@contextmanager
def stack(command: str, extra: str | None) -> Iterator[None]:
    """Says which extra to install where a package of ours needs one that is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        missing = (error.name or "").split(".")[0]
        if extra is None or missing in {"compress", "export", "serve", "app"}:
            raise
        from compress.errors import MissingExtraError

        raise MissingExtraError(command, missing, extra) from None


@contextmanager
def resumable() -> Iterator[None]:
    """Says how to go on where the user stops."""
    from compress.interrupt import noted_interrupts

    try:
        with noted_interrupts():
            yield
    except KeyboardInterrupt:
        command = shlex.join(argument for argument in sys.argv[1:] if argument != "--fresh")
        complain(f"\nStopped. What is done is kept; go on with:\n  {me()} {command}")
        raise


def complain(message: str) -> None:
    """Tell the user on stderr."""
    typer.echo(message, err=True)
