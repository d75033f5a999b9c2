"""Ray Serve: an application file over the same FastAPI application that `compress serve` runs."""

from dataclasses import dataclass
from pathlib import Path

from serve import __version__
from serve.bundle import Bundle
from serve.deploy.plan import Plan, bundle_files, fill


@dataclass(frozen=True)
class Ray:
    """No option: how many replicas there are is Ray's own configuration."""

    def plan(self, bundle: Bundle, name: str) -> Plan:
        """The application file and the bundle beside it."""
        files: dict[str, str | Path] = {
            "application.py": fill("ray/application.py", name=name),
            "README.md": fill("ray/README.md", name=name, version=__version__),
            **bundle_files(bundle),
        }
        return Plan(files, ("serve run application:application",))
