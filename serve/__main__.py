"""`python -m serve BUNDLE`: the endpoint without the rest of the toolchain."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from serve.errors import UserError


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until told to stop; returns the exit code, 2 for a mistake that the user can mend."""
    parser = argparse.ArgumentParser(
        prog="python -m serve", description="Answer HTTP requests from a bundle."
    )
    parser.add_argument("bundle", type=Path, help="folder that `compress run` made")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8080, help="0 takes a free one (default: %(default)s)")
    parser.add_argument("--threads", type=int, help="threads per inference (default: all that may be used)")
    parser.add_argument("--insecure", action="store_true", help="allow a host that other machines reach")
    given = parser.parse_args(arguments)
    # Imported here so that --help answers at once.
    from serve.server import serve_bundle

    try:
        serve_bundle(
            given.bundle,
            given.host,
            given.port,
            threads=given.threads,
            insecure=given.insecure,
            ready=lambda url: _say(f"serving {given.bundle} on {url} (POST {url}/predict)"),
        )
    except UserError as error:
        _say(str(error))
        return 2
    return 0


def _say(message: str) -> None:
    sys.stderr.write(f"{message}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
