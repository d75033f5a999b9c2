"""The models that a server has, by name, and whether it takes requests."""

import re
from collections.abc import Mapping, Sequence

from serve.errors import UserError
from serve.model import Model
from serve.refusal import Refusal

VERSION = "1"  # of every model: a bundle that is put in takes the place of the one before
_NAME = re.compile(r"(?!\.{1,2}\Z)[A-Za-z0-9._-]{1,64}")  # a folder's name too, and no other folder


class Models:
    """One model or several; the first is the one that protocols without names mean."""

    def __init__(self, models: Sequence[Model]) -> None:
        self._models: Mapping[str, Model] = {model.name: model for model in models}
        self.is_ready = False

    @property
    def names(self) -> list[str]:
        """In the order in which they were given."""
        return list(self._models)

    @property
    def first(self) -> Model:
        """The one that is meant where none is named."""
        return next(iter(self._models.values()))

    def named(self, name: str, version: str = VERSION) -> Model:
        """The model of this name; raises `Refusal` 404, without looking anywhere else."""
        if name not in self._models or version != VERSION:
            raise Refusal(404, "not_found", "No such model or version. GET /v2/repository/index lists them.")
        return self._models[name]

    def require_ready(self) -> None:
        """Raise `Refusal` 503 before the warm-up is over, and once the server is stopping."""
        if not self.is_ready:
            raise Refusal(503, "unavailable", "Not ready: starting, or stopping.")

    def close(self) -> None:
        """Answer what was taken, and end."""
        for model in self._models.values():
            model.close()


def check_name(name: str, remedy: str = "name it on the command line: --bundle NAME=FOLDER") -> str:
    """The name, where it can stand in a path and in other people's files; raises `UserError`."""
    if not _NAME.fullmatch(name):
        raise UserError(
            f"the model's name {name!r}",
            "1 to 64 letters, digits, dots, hyphens and underscores",
            remedy,
        )
    return name
