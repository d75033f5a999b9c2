"""The command for where a bundle goes when `compress serve` on one machine is not enough: `export-serving`."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from compress.commands.frame import BundleArgument, stack


def export_serving(
    bundle: BundleArgument,
    to: Annotated[str, typer.Option(help="kserve, triton, ray, docker or spaces.")],
    out: Annotated[Path, typer.Option(help="The folder to write; a new one.")],
    name: Annotated[
        str | None, typer.Option(help="What the model is called there; its own name by default.")
    ] = None,
    image: Annotated[
        str | None, typer.Option(help="kserve, docker: the image with this program in it.")
    ] = None,
    storage_uri: Annotated[
        str | None, typer.Option(help="kserve: where the bundle's folder lies, for example s3://bucket/sst2.")
    ] = None,
    wheel: Annotated[
        Path | None, typer.Option(help="docker: the wheel of this program that goes into the image.")
    ] = None,
) -> None:
    """Write what another platform takes to serve a bundle: files for KServe, Triton, Ray, Docker or Spaces."""
    with stack("export-serving", None):
        from serve.deploy import deploy, target

        platform = target(to, image=image, storage_uri=storage_uri, wheel=wheel)
        plan = deploy(bundle, platform, out, name)
        typer.echo(f"{out}: {len(plan.files)} files for {to}\n\nNext, in {shlex.quote(str(out))}:")
        for line in plan.then:
            typer.echo(f"  {line}")
