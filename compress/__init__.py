"""Turn a transformer and a data set into a small, fast, proven ONNX model.

import compress

report = compress.run("recipes/sst2.yaml", out="runs/sst2")
print(report.verdict, report.fidelity.retention)
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from compress.general.report import EncoderReport
    from compress.judge.report import Report
    from compress.progress import Progress
    from compress.recipe import RunConfig

__all__ = ["run"]


def run(
    recipe: "str | Path | Mapping[str, object] | RunConfig | None" = None,
    *,
    out: str | Path | None = None,
    overrides: Sequence[str] = (),
    fresh: bool = False,
    progress: "Progress | None" = None,
) -> "Report | EncoderReport":
    """Do what `compress run` does and return what it found.

    `recipe` is a YAML file, the same as a mapping, a `RunConfig`, or None for the quickstart. `out` is the
    run's folder (`runs/<recipe>` by default); what lies there from an earlier run with the same inputs is
    not done again unless `fresh`. General distillation (`task: fill-mask`) gives an `EncoderReport`, all other
    tasks a `Report`. `overrides` are those of `--set`: `["student.layers=4"]`.

    Raises `serve.errors.UserError` for whatever the user can mend, and `export.proof.ProofError` when an
    exported file does not answer as its model does; then no bundle is written. A missed gate raises nothing:
    see `Report.verdict`.
    """
    from compress.start import start

    return start(recipe, out=out, overrides=overrides, fresh=fresh, progress=progress)
