"""From a bundle to what another platform takes: one file for each platform, its texts in `templates/`.

`deploy(Path("runs/sst2/bundle"), Docker(), Path("sst2-image"))`
"""

from dataclasses import fields
from pathlib import Path

from serve.bundle import read
from serve.deploy.docker import Docker
from serve.deploy.folder import require_free, write
from serve.deploy.kserve import KServe
from serve.deploy.plan import Plan
from serve.deploy.ray import Ray
from serve.deploy.spaces import Spaces
from serve.deploy.triton import Triton
from serve.errors import UserError
from serve.models import check_name

__all__ = ["TARGETS", "Docker", "KServe", "Ray", "Spaces", "Target", "Triton", "deploy", "target"]

# The registry: a new platform is one file, one name in the union and one here, one page of docs.
Target = KServe | Triton | Ray | Docker | Spaces
TARGETS: dict[str, type[Target]] = {
    "kserve": KServe,
    "triton": Triton,
    "ray": Ray,
    "docker": Docker,
    "spaces": Spaces,
}


def target(name: str, **given: object) -> Target:
    """The platform of this name with the options that were given; None is an option that was not.

    Raises `UserError` for a platform that is not known, and for an option that it does not have.
    """
    if name not in TARGETS:
        raise UserError(f"--to {name}", f"one of {', '.join(TARGETS)}", "name one of these")
    kind = TARGETS[name]
    known = [field.name for field in fields(kind)]
    options = {option: value for option, value in given.items() if value is not None}
    for option in options:
        if option not in known:
            allowed = ", ".join(f"--{one.replace('_', '-')}" for one in known) or "no option of its own"
            raise UserError(
                f"--{option.replace('_', '-')} with --to {name}",
                f"for {name}: {allowed}",
                "leave it out, or name the platform that it is for",
            )
    return kind(**options)  # type: ignore[arg-type]  # each checks its own values


def deploy(bundle: Path, to: Target, out: Path, name: str | None = None) -> Plan:
    """Write what the platform takes into the folder `out`, which must be new or empty; the model is called `name`.

    The bundle is checked first, and its manifest's name is the model's where none is given. Raises `UserError` and
    `BundleError`; then nothing is written.
    """
    require_free(out)
    checked = read(bundle)
    own = checked.manifest.name
    called = check_name(own if name is None else name, "give it another name here: --name NAME")
    plan = to.plan(checked, called)
    write(plan.files, out)
    return plan
