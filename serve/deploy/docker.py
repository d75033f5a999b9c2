"""Docker: the context of an image that holds this distribution and the bundle, and a compose file for it."""

import re
import zipfile
from dataclasses import dataclass
from pathlib import Path

from serve import __version__
from serve.bundle import Bundle
from serve.deploy.plan import Plan, bundle_files, check_image, constraints, fill, quoted
from serve.errors import UserError
from serve.server import IN_FLIGHT_SECONDS

_WHEEL = re.compile(r"compress_toolchain-[A-Za-z0-9.!+_]{1,64}-py3-none-any\.whl")
_EXTRAS = "[grpc,otel]"
_DRAIN_SECONDS = 5
_SPARE_SECONDS = 30
_BUILD_WHEEL = "pip wheel --no-deps -w dist ."


@dataclass(frozen=True)
class Docker:
    """The wheel of this distribution that goes into the image, and the image's name."""

    wheel: Path | None = None  # where it is not given, it is put into the folder `wheel` before the build
    image: str = f"compress-toolchain:{__version__}"

    def __post_init__(self) -> None:
        check_image(self.image)
        if self.wheel is not None:
            _check_wheel(self.wheel)

    def plan(self, bundle: Bundle, name: str) -> Plan:
        """The context of the build."""
        wheel = (
            f"compress_toolchain-{__version__}-py3-none-any.whl" if self.wheel is None else self.wheel.name
        )
        command = [
            "compress",
            "serve",
            f"--bundle={name}=/bundle",
            "--host=0.0.0.0",
            "--port=8080",
            f"--drain-seconds={_DRAIN_SECONDS}",
        ]
        install = [
            "/venv/bin/pip",
            "install",
            "--no-cache-dir",
            "-c",
            "constraints.txt",
            f"/wheel/{wheel}{_EXTRAS}",
        ]
        files: dict[str, str | Path] = {
            "Dockerfile": fill("docker/Dockerfile", install=quoted(install), command=quoted(command)),
            ".dockerignore": fill("docker/dockerignore"),
            "compose.yaml": fill(
                "docker/compose.yaml",
                image=quoted(self.image),
                grace=quoted(f"{_DRAIN_SECONDS + IN_FLIGHT_SECONDS + _SPARE_SECONDS}s"),
            ),
            "constraints.txt": constraints(),
            "README.md": fill(
                "docker/README.md", name=name, image=self.image, wheel=wheel, build=_BUILD_WHEEL
            ),
            **bundle_files(bundle),
        }
        then = [f"docker build -t {self.image} ."]
        if self.wheel is None:
            then.insert(
                0, f"Put {wheel} into its folder wheel/ first: {_BUILD_WHEEL} makes it from a checkout."
            )
        else:
            files[f"wheel/{wheel}"] = self.wheel
        return Plan(files, tuple(then))


def _check_wheel(wheel: Path) -> None:
    """Raise `UserError` unless this is a wheel of this distribution, under its own name."""
    fits = _WHEEL.fullmatch(wheel.name) is not None and wheel.is_file() and zipfile.is_zipfile(wheel)
    if fits:
        with zipfile.ZipFile(wheel) as opened:
            fits = "serve/__init__.py" in opened.namelist()
    if not fits:
        raise UserError(
            f"--wheel {wheel}",
            f"a wheel of this distribution, such as dist/compress_toolchain-{__version__}-py3-none-any.whl",
            f"make one in a checkout: {_BUILD_WHEEL}",
        )
