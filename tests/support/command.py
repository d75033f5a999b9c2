"""`compress` as the command line calls it, in this process: a new one would import for seconds what is here already."""

import io
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass

import pytest

from compress.cli import main


@dataclass(frozen=True)
class Ended:
    """How a command ended, and what it printed."""

    code: int
    stdout: str
    stderr: str


def command(*arguments: object) -> Ended:
    """`compress` with these arguments, to its end."""
    stdout, stderr = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(stdout), redirect_stderr(stderr):
        patch.setattr(sys, "argv", ["compress", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            main()
    code = stopped.value.code or 0
    assert isinstance(code, int), code
    return Ended(code, stdout.getvalue(), stderr.getvalue())
