"""`serve run application:application`: the bundle beside this file, on Ray Serve.

Needs compress-toolchain and `ray[serve]` on every node. The routes are those of `compress serve`.
"""

from pathlib import Path

from fastapi import FastAPI
from ray import serve as ray_serve

NAME = "$name"
BUNDLE = Path(__file__).resolve().parent / "bundle"


def build() -> FastAPI:
    """The application; called on the replica, so that nothing is loaded where this file is only imported.

    Without COMPRESS_API_KEY it answers only requests that name localhost, 127.0.0.1 or [::1] as their host.
    """
    from serve.key import read_key
    from serve.server import Serving, open_application

    key = read_key()
    # A replica has the threads that Ray gave it, and Ray itself adds replicas: one session each.
    host = "127.0.0.1" if key is None else "0.0.0.0"  # noqa: S104  whom it answers; Ray does the listening
    asked = Serving(bundles={NAME: BUNDLE}, host=host, key=key, threads=1)
    return open_application(asked)[0]


@ray_serve.deployment(ray_actor_options={"num_cpus": 1}, max_ongoing_requests=64, max_queued_requests=256)
@ray_serve.ingress(build)
class Compressed:
    """One replica; Ray starts and stops it."""


application = Compressed.bind()  # type: ignore[attr-defined]  # a deployment has it
