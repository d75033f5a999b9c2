"""`compress demo`: the bundle's model beside its teacher."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from serve.predictor import Predictor


def show_demo(
    bundle: Path, teacher: str | None, *, host: str, port: int, insecure: bool, ready: Callable[[str], None]
) -> None:
    """Open the page; the teacher answers live where its folder is given, else from the bundle's rows."""
    from app.launch import show

    live = None if teacher is None else live_teacher(teacher, bundle)
    show(bundle, teacher=live, host=host, port=port, insecure=insecure, ready=ready)


def live_teacher(name: str, bundle: Path) -> "Predictor":
    """A model that answers live, as the teacher of a bundle: another bundle, or a PyTorch model folder.

    Raises `UserError` when its labels are not the bundle's, and when PyTorch is not installed.
    """
    import serve
    from compress.errors import MissingExtraError, ModelError
    from serve.bundle import MANIFEST, read

    wanted = read(bundle).manifest.labels
    if (Path(name) / MANIFEST).is_file():
        runtime = serve.load(name)
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
        trained = open_trained(name)
        predictor, labels = TorchPredictor(trained), trained.labels
    if sorted(labels) != sorted(wanted):
        raise ModelError(
            f"the teacher {name} has the labels {', '.join(labels)}",
            f"those of the bundle: {', '.join(wanted)}",
            "give the folder of the teacher that this bundle came from, in the run's folder under stages/",
        )
    return predictor
