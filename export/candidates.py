"""A model written down in several forms; each must prove itself before it counts, and one is kept."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from transformers import PreTrainedModel

from export.clock import Milliseconds, fastest, time_in_turns
from export.compact import STEPS as COMPACT
from export.forms import OPSET_23, PORTABLE, Form
from export.fusion import fuse
from export.model import OnnxModel
from export.onnx_export import to_onnx
from export.parity import ParityFinding, Reference
from export.proof import ProofError
from export.steps import take_steps
from export.torchscript import to_portable
from serve.errors import UserError


@dataclass(frozen=True)
class Candidate:
    """One form that was tried."""

    name: str
    opset: int
    proven: bool
    chosen: bool = False
    p50_ms: float | None = None  # one text, one thread, without the tokenizer; None where time was not asked
    reason: str | None = None  # why it was not proven, or what was rolled back


@dataclass(frozen=True)
class Exported:
    """The file that was kept, its proof, and everything that was tried."""

    model: OnnxModel
    finding: ParityFinding
    tried: tuple[Candidate, ...]


@dataclass(frozen=True)
class _Made:
    model: OnnxModel
    finding: ParityFinding
    rolled_back: tuple[str, ...] = ()


def export_best(
    model: PreTrainedModel,
    input_names: Sequence[str],
    forms: Sequence[Form],
    reference: Reference,
    path: Path,
    *,
    timed: bool,
) -> Exported:
    """Write the best of these forms to `path`.

    With `timed` all are tried and the fastest is kept, the first where no other is clearly faster; without, the
    first that proves itself. Where none does, raises what the first form raised: `ProofError`, or `UserError`
    where its exporter does not know the model.
    """
    proven: dict[str, _Made] = {}
    refused: dict[str, ProofError | UserError] = {}
    path.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=path.parent, prefix="forms-") as scratch:
        for form in forms:
            try:
                proven[form.name] = _make(form, model, input_names, reference, Path(scratch))
            except (ProofError, UserError) as error:
                refused[form.name] = error
            if proven and not timed:
                break
        if not proven:
            raise refused[forms[0].name]
        times: Mapping[str, Milliseconds] = {}
        if timed:
            files = {name: made.model.path for name, made in proven.items()}
            times = time_in_turns(files, reference.single, reference.labels, outputs=reference.outputs)
        chosen = fastest(times) if times else next(iter(proven))
        best = proven[chosen]
        best.model.path.replace(path)
    tried = [form for form in forms if form.name in proven or form.name in refused]
    return Exported(
        OnnxModel(path, "fp32", best.model.opset),
        replace(best.finding, file=path.name),
        tuple(
            Candidate(
                name=form.name,
                opset=form.opset,
                proven=form.name in proven,
                chosen=form.name == chosen,
                p50_ms=float(np.median(times[form.name])) if form.name in times else None,
                reason=_reason(proven.get(form.name), refused.get(form.name)),
            )
            for form in tried
        ),
    )


def _make(
    form: Form, model: PreTrainedModel, input_names: Sequence[str], reference: Reference, folder: Path
) -> _Made:
    """Export to a file of this form and prove it; raises `ProofError` or `UserError`."""
    path = folder / f"{form.name}.onnx"
    hold = partial(reference.hold, name=path.name)
    if form is OPSET_23:
        exported = to_onnx(model, input_names, path, reference.outputs)
        finding = hold(exported)
        done = take_steps(exported, form, model.config, path, hold, COMPACT)
        return _Made(done.model or exported, done.finding or finding, done.rolled_back)
    if form is PORTABLE:
        exported = to_portable(model, input_names, path, reference.outputs)
        return _Made(exported, reference.hold(exported))
    plain = folder / f"{PORTABLE.name}.onnx"  # where the portable form was tried, its file is there
    unfused = (
        OnnxModel(plain, "fp32", PORTABLE.opset)
        if plain.exists()
        else to_portable(model, input_names, plain, reference.outputs)
    )
    fused = fuse(unfused, model.config, path, hold)
    return _Made(fused.model, fused.finding, fused.rolled_back)


def _reason(made: _Made | None, refused: ProofError | UserError | None) -> str | None:
    if refused is not None:
        return str(refused).splitlines()[0]
    return "; ".join(made.rolled_back) or None if made else None
