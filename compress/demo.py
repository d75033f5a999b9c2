"""`compress demo`: the bundle's model beside its teacher."""

import os
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from serve.client import Endpoint
    from serve.predictor import Predictor
    from serve.tasks import Answering


def show_demo(
    bundle: Path,
    teacher: str | None,
    endpoint: str | None,
    *,
    host: str,
    port: int,
    insecure: bool,
    share: bool,
    mcp: bool,
    ready: Callable[[str], None],
) -> None:
    """Open the page; teacher and endpoint answer where they are given, else the bundle's rows and its own file."""
    from app.launch import Reach, show
    from compress.errors import MissingExtraError

    if mcp and find_spec("mcp") is None:
        raise MissingExtraError("demo --mcp", "mcp", "mcp")
    reach = Reach(host, port, insecure=insecure, share=share, mcp=mcp)
    live = None if teacher is None else live_teacher(teacher, bundle)
    remote = None if endpoint is None else _endpoint(endpoint)
    show(bundle, teacher=live, endpoint=remote, reach=reach, ready=ready)


def _endpoint(url: str) -> "Endpoint":
    """A running `compress serve`, shown the key of the environment if there is one."""
    from serve.client import Endpoint
    from serve.key import VARIABLE

    return Endpoint(url, os.environ.get(VARIABLE))


def live_teacher(name: str, bundle: Path) -> "Predictor":
    """A model that answers live, as the teacher of a bundle: another bundle, or a PyTorch model folder.

    Raises `UserError` when its labels are not the bundle's, when only one of the two reads pairs of texts, and when
    PyTorch is not installed.
    """
    import serve
    from compress.errors import MissingExtraError, ModelError
    from serve.bundle import MANIFEST, read

    manifest = read(bundle).manifest
    if (Path(name) / MANIFEST).is_file():
        runtime = serve.load(name)
        _check_task(name, runtime.answering, manifest.answering)
        _check_pairs(name, has_pairs=runtime.takes_pairs, wanted=manifest.text_pair)
        predictor: Predictor = runtime
        labels = runtime.labels
    else:
        try:
            from compress.models.predict import TorchPredictor
            from compress.models.trained import open_trained
            from compress.quiet import quiet_libraries
        except ModuleNotFoundError as error:
            raise MissingExtraError("demo --teacher", str(error.name), "train") from None
        quiet_libraries()
        trained = open_trained(name, manifest.answering)
        _check_task(name, trained.answering, manifest.answering)
        predictor, labels = TorchPredictor(trained), trained.labels
    if sorted(labels) != sorted(manifest.labels):
        raise ModelError(
            f"the teacher {name} has the labels {', '.join(labels)}",
            f"those of the bundle: {', '.join(manifest.labels)}",
            "give the folder of the teacher that this bundle came from, in the run's folder under stages/",
        )
    return predictor


def _check_task(name: str, answering: "Answering", wanted: "Answering") -> None:
    from compress.errors import ModelError

    if answering.kind != wanted.kind:
        raise ModelError(
            f"the teacher {name} is a model for {answering.TASK} ({answering.kind})",
            f"one for what the bundle does: {wanted.TASK} ({wanted.kind})",
            "give the teacher that this bundle came from",
        )


def _check_pairs(name: str, *, has_pairs: bool, wanted: bool) -> None:
    from compress.errors import ModelError

    kinds = {True: "pairs of texts", False: "single texts"}
    if has_pairs != wanted:
        raise ModelError(
            f"the teacher {name} is asked {kinds[has_pairs]}",
            f"what the bundle is asked: {kinds[wanted]}",
            "give the teacher that this bundle came from",
        )
