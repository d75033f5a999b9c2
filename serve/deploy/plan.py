"""What a platform is given: the files by place, and what to do with them."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template

from serve.bundle import MANIFEST, Bundle
from serve.errors import UserError

Files = Mapping[str, str | Path]  # by the place in the folder: a text to write, or a file to copy

_TEMPLATES = Path(__file__).parent / "templates"
# Beside `serve` in an installed wheel, beside the package in a checkout.
_CONSTRAINTS = ("serve/constraints.txt", "constraints.txt")
_IMAGE = re.compile(r"[a-z0-9][A-Za-z0-9._/:@-]{0,254}")


@dataclass(frozen=True)
class Plan:
    """What is written, and what the person does next."""

    files: Files
    then: tuple[str, ...]  # commands and remarks, a line each


def fill(template: str, **values: object) -> str:
    """The text of a template with `$name` replaced by these values; raises `KeyError` where one is missing."""
    text = (_TEMPLATES / template).read_text(encoding="utf-8")
    return Template(text).substitute({name: str(value) for name, value in values.items()})


def quoted(value: object) -> str:
    """The value as JSON, which is YAML, a Python literal and Docker's exec form as well, on one line of ASCII."""
    return json.dumps(value)


def bundle_files(bundle: Bundle, place: str = "bundle") -> dict[str, Path]:
    """The files that the manifest lists, and the manifest: nothing else that may lie in the folder."""
    names = [*bundle.manifest.files, MANIFEST]
    return {f"{place}/{name}": bundle.folder / name for name in names}


def packages() -> Path:
    """The folder that holds the packages of this distribution, installed or in a checkout."""
    return Path(__file__).resolve().parents[2]


def constraints() -> Path:
    """The versions that this distribution was tested with."""
    return next(path for place in _CONSTRAINTS if (path := packages() / place).is_file())


def pinned() -> dict[str, str]:
    """Those versions, by the `normal` names of the packages."""
    lines = constraints().read_text(encoding="utf-8").split()
    return {normal(name): version for name, _, version in (line.partition("==") for line in lines)}


def normal(package: str) -> str:
    """A package's name as the index compares it: https://peps.python.org/pep-0503/."""
    return re.sub(r"[-_.]+", "-", package).lower()


def check_image(image: str) -> str:
    """The reference of an image, where it is one; raises `UserError`."""
    if not _IMAGE.fullmatch(image):
        raise UserError(
            f"the image {image!r}",
            "a reference such as registry.example/team/compress:1",
            "give another --image",
        )
    return image
