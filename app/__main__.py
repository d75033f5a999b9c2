"""`python -m app BUNDLE`: the page, with the teacher's stored answers."""

import sys
from collections.abc import Sequence

from serve.command_line import Given, run, say


def main(arguments: Sequence[str] | None = None) -> int:
    """Show the page until told to stop; returns the exit code, 2 for a mistake that the user can mend."""
    return run("app", "See teacher and student side by side.", _show, port=7860, arguments=arguments)


def _show(given: Given) -> None:
    # Imported here so that --help answers at once.
    from app.launch import Reach, show

    show(
        given.bundle,
        reach=Reach(host=given.host, port=given.port, insecure=given.insecure),
        threads=given.threads,
        ready=lambda url: say(f"showing {given.bundle} on {url}"),
    )


if __name__ == "__main__":
    sys.exit(main())
