"""`compress inspect`: what a bundle is and what was found of it, read from its folder alone.

Needs the base install: nothing is measured, and neither scipy nor PyTorch is loaded.
"""

import shlex
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from compress.judge.report import Report
from compress.judge.table import beside
from compress.judge.table import render as render_report
from compress.judge.wording import sentence
from compress.verify.report_file import read_report
from serve.bundle import REPORT, Manifest, read

_LABELS = 6  # that are named
_DIGEST = 12  # letters of a digest that are shown


class Inspection(BaseModel):
    """A bundle whose files are those that its manifest lists."""

    model_config = ConfigDict(extra="forbid", frozen=True, serialize_by_alias=True, validate_by_name=True)

    schema_number: Literal[1] = Field(default=1, alias="schema")
    bundle: str  # its folder
    sentence: str | None  # None where nothing was judged
    manifest: Manifest
    report: Report | None  # None in a folder that `compress export` made


def inspect_bundle(folder: Path) -> Inspection:
    """Read the bundle; raises `BundleError` where anything about it is not as its manifest says."""
    bundle = read(folder)
    report = read_report(bundle) if REPORT in bundle.manifest.files else None
    return Inspection(
        bundle=str(folder),
        sentence=sentence(report) if report else None,
        manifest=bundle.manifest,
        report=report,
    )


def render(found: Inspection) -> RenderableType:
    """The files, where they are from, then the report, whose verdict stays on the screen."""
    facts = [(Text(f"{word}:"), said) for word, said in _facts(found)]
    parts: list[RenderableType] = [
        Text(found.manifest.name, style="bold"),
        Text(),
        beside(facts),
        Text(),
        _files(found.manifest),
        Text(),
    ]
    if found.report is None:
        parts.append(
            Text("NOT JUDGED: it holds no report; `compress run` makes bundles that were", style="yellow")
        )
    else:
        parts.append(render_report(found.report))
    return Group(*parts)


def _facts(found: Inspection) -> list[tuple[str, str]]:
    manifest = found.manifest
    labels = ", ".join(manifest.labels[:_LABELS]) + (", ..." if len(manifest.labels) > _LABELS else "")
    how = "text by text" if manifest.batching == "one_by_one" else "in batches"
    instructions = ", ".join(manifest.verified_on.instruction_set)
    about = manifest.answering.about(manifest.labels) or f"{len(manifest.labels):,} labels: {labels}"
    facts = [
        ("Task", f"{manifest.task}, {about}"),
        ("Ships", f"{manifest.model}, {manifest.precision}, opset {manifest.opset}, run {how}"),
        ("Texts", f"{'pairs of ' * manifest.text_pair}up to {manifest.max_length:,} tokens"),
        (
            "Verified",
            f"{manifest.created[:10]} on {manifest.verified_on.processor}"
            + (f" ({instructions})" if instructions else "")
            + f", onnxruntime {manifest.verified_on.onnxruntime}",
        ),
    ]
    if found.report is not None:
        rows = ", ".join(f"{name} {rows:,}" for name, rows in found.report.rows.items())
        facts += [
            ("Data", f"{rows} rows, digest {found.report.data_digest[:_DIGEST]}"),
            ("Again", found.report.reproduce),
        ]
    command = "serve" if found.report is None else "verify"
    return [*facts, ("Next", f"compress {command} {shlex.quote(found.bundle)}")]


def _files(manifest: Manifest) -> Table:
    """Every file with its size in 10^6 bytes and the beginning of its digest."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False)
    table.add_column("file", overflow="fold")
    table.add_column("MB", justify="right", no_wrap=True)
    table.add_column("sha256", no_wrap=True)
    for name, entry in manifest.files.items():
        said = f"{name} (ships)" if name == manifest.model else name
        table.add_row(Text(said), f"{entry.size_bytes / 1e6:.3f}", Text(entry.sha256[:_DIGEST]))
    total = sum(entry.size_bytes for entry in manifest.files.values())
    table.add_row(Text("together"), f"{total / 1e6:.3f}", Text(""))
    return table
