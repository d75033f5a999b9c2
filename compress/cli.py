"""The command line: the commands under one name, and what becomes of what they raise."""

import sys
from pathlib import Path

import typer

from compress.commands import answering, growing, judging, making, telling
from compress.commands.frame import MISSED, MISTAKE, STOPPED, complain

app = typer.Typer(
    name="compress",
    help="Turn a transformer and a data set into a small, fast, proven ONNX model; serve it and show it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for command in (
    making.run,
    making.compare,
    making.init,
    making.export,
    judging.verify,
    judging.bench,
    answering.predict,
    answering.serve,
    answering.demo,
    growing.export_serving,
    telling.inspect,
    telling.push,
):
    app.command()(command)


def main() -> None:
    """The entry point: turns the mistakes that people can mend into one message and exit code 2."""
    _refuse_shadowed_packages()
    from export.proof import ProofError
    from serve.errors import UserError

    try:
        app()
    except UserError as error:
        complain(str(error))
        sys.exit(MISTAKE)
    except ProofError as error:
        complain(str(error))
        sys.exit(MISSED)
    except KeyboardInterrupt:
        sys.exit(STOPPED)


def _refuse_shadowed_packages() -> None:
    """A folder or file called `app` or `serve` where Python looks first would be taken for ours."""
    import importlib.util

    ours = Path(__file__).resolve().parent.parent
    for package in ("serve", "export", "app"):
        found = importlib.util.find_spec(package)
        origin = Path(found.origin).resolve() if found and found.origin else None
        if origin != ours / package / "__init__.py":
            complain(
                f"the package {package!r} of compress-toolchain is hidden by {origin or 'nothing: it is missing'}\n"
                f"  expected: {ours / package}\n"
                "  to do: run from another folder, or rename that file; a broken install is mended by installing again"
            )
            sys.exit(MISTAKE)
