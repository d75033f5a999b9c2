"""`compress demo`: the bundle's model beside its teacher."""

from pathlib import Path


def show(bundle: Path, teacher: str | None, host: str, port: int) -> None:
    """Open the page; the teacher answers live where its folder is given, else from the bundle's rows."""
    raise NotImplementedError
