"""A Hugging Face Space: the demo of this bundle, with the two packages that show it.

This distribution is on no package index, so that a Space cannot install it by name: the packages `serve` and `app` lie
beside the start file instead, as they are installed here.
"""

import re
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

from serve.bundle import EVALUATION, Bundle
from serve.deploy.plan import Plan, bundle_files, fill, normal, packages, pinned, quoted
from serve.errors import UserError

_PACKAGES = ("serve", "app")
_START = "space.py"  # not app.py, which would hide the package `app`
_DISTRIBUTION = "compress-toolchain"
_NAME = re.compile(r"^[A-Za-z0-9._-]+")
_FOR_THE_PAGE = re.compile(r"""extra == ['"]app['"]""")


@dataclass(frozen=True)
class Spaces:
    """No option: the page is that of `compress demo`."""

    def plan(self, bundle: Bundle, name: str) -> Plan:
        """The files of the Space's repository."""
        versions = pinned()
        files: dict[str, str | Path] = {
            "README.md": fill(
                "spaces/README.md",
                name=name,
                title=quoted(name),
                sdk_version=quoted(versions["gradio"]),
                start=quoted(_START),
            ),
            ".gitattributes": fill("spaces/gitattributes"),
            "requirements.txt": _requirements(versions),
            _START: fill("spaces/space.py"),
            **bundle_files(bundle),
        }
        for package in _PACKAGES:
            files |= _sources(package)
        then = [f"hf upload OWNER/{name} . --repo-type space"]
        if EVALUATION in bundle.manifest.files:
            seen = f"Who sees the Space sees the test rows in bundle/{EVALUATION}"
            then.insert(0, f"{seen}; a recipe's `bundle: {{rows: false}}` leaves them out.")
        return Plan(files, tuple(then))


def _sources(package: str) -> dict[str, Path]:
    folder = packages() / package
    return {
        path.relative_to(folder.parent).as_posix(): path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }


def _requirements(versions: dict[str, str]) -> str:
    """What the two packages need, without a range: the versions of the constraints. Raises `UserError`."""
    try:
        declared = requires(_DISTRIBUTION) or []
    except PackageNotFoundError:
        raise UserError(
            f"{_DISTRIBUTION} is not installed, and so says not what it needs",
            "an installation",
            "pip install -e .",
        ) from None
    lines = []
    for line in declared:
        requirement, _, marker = line.partition(";")
        if "extra" not in marker or _FOR_THE_PAGE.search(marker):
            (name,) = _NAME.findall(requirement)
            lines.append(f"{name}=={versions[normal(name)]}")
    return "\n".join(sorted(lines)) + "\n"
