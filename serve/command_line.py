"""The command line that `python -m serve` and `python -m app` share: a bundle, an address, one exit code."""

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from serve.errors import UserError


@dataclass(frozen=True)
class Given:
    """What was asked for; the fields are the options."""

    bundle: Path
    host: str
    port: int
    threads: int | None
    insecure: bool


def run(
    package: str,
    description: str,
    act: Callable[[Given], None],
    *,
    port: int,
    arguments: Sequence[str] | None = None,
) -> int:
    """Read the arguments, those of the process by default, and act on them.

    Returns the exit code: 2 where `act` raised `UserError`, whose message is said, else 0. Raises
    `SystemExit` as argparse does, for --help and for arguments that it does not know.
    """
    parser = argparse.ArgumentParser(prog=f"python -m {package}", description=description)
    parser.add_argument("bundle", type=Path, help="folder that `compress run` made")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=port, help="0 takes a free one (default: %(default)s)")
    parser.add_argument("--threads", type=int, help="threads per inference (default: all that may be used)")
    parser.add_argument("--insecure", action="store_true", help="allow a host that other machines reach")
    given = Given(**vars(parser.parse_args(arguments)))
    try:
        act(given)
    except UserError as error:
        say(str(error))
        return 2
    return 0


def say(message: str) -> None:
    """Write a line to stderr, at once: whoever started the process may wait for it."""
    sys.stderr.write(f"{message}\n")
    sys.stderr.flush()
