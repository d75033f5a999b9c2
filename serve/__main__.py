"""`python -m serve BUNDLE`: the endpoint without the rest of the toolchain."""

import json
import sys
from collections.abc import Sequence

from serve.command_line import Given, run, say


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until told to stop; returns the exit code, 2 for a mistake that the user can mend."""
    return run("serve", "Answer HTTP requests from a bundle.", _serve, port=8080, arguments=arguments)


def _serve(given: Given) -> None:
    # Imported here so that --help answers at once.
    from serve.bundle import read_manifest
    from serve.key import read_key
    from serve.protocols.hugging_face import example
    from serve.server import Serving, named_bundles, serve_bundles

    asked = Serving(
        bundles=named_bundles(given.bundle),
        host=given.host,
        port=given.port,
        threads=given.threads,
        insecure=given.insecure,
        key=read_key(),
    )
    manifest = read_manifest(given.bundle)
    path, body = example(manifest.answering, pairs=manifest.text_pair)
    asking = f"POST {json.dumps(body)} to"
    serve_bundles(asked, ready=lambda url: say(f"serving {given.bundle} on {url} ({asking} {url}{path})"))


if __name__ == "__main__":
    sys.exit(main())
