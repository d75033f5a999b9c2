"""The stages that export a trained model, with the proof that each file answers as it did."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from compress.data.rows import Rows
from compress.judge.contestants import Files
from compress.models.predict import input_names
from compress.models.trained import Trained
from compress.stage import Stage, write_json
from compress.steps.proof import keep_finding, read_finding, reference, tools
from compress.steps.quantized import quantize_stage
from compress.workshop import Workshop
from export.candidates import Candidate, export_best
from export.model import OnnxModel
from export.quantize import Quantize
from export.target import ExportOptions

FLOAT_FILE = "model.onnx"
CANDIDATES = "candidates.json"


def export_files(
    workshop: Workshop,
    proof_rows: Rows,
    options: ExportOptions,
    name: str,
    made: tuple[Stage, Trained],
    quantize: Quantize,
    *,
    ships: bool = True,
) -> Files:
    """The ONNX files of a model, each proven on these rows; raises `ProofError` where one is not its model.

    What does not ship, or ships in a smaller form yet to be made, is not timed to find its best form.
    """
    stage, trained = made
    timed = options.is_timed(ships=ships and quantize.method == "none")
    exported = _export_stage(workshop, options, f"{name}-onnx", stage, trained, proof_rows, timed=timed)
    tried = read_candidates(exported.folder)
    chosen = next(one for one in tried if one.chosen)
    float_model = OnnxModel(exported.folder / FLOAT_FILE, "fp32", chosen.opset)
    parity = read_finding(exported.folder)
    small = quantize_stage(workshop, quantize, exported, float_model, trained, proof_rows, f"{name}-int8")
    return Files(trained, float_model, small.model, (parity, *small.parity), tried, small.ladder)


def _export_stage(
    workshop: Workshop,
    options: ExportOptions,
    name: str,
    made_from: Stage,
    trained: Trained,
    proof_rows: Rows,
    *,
    timed: bool,
) -> Stage:
    """The float ONNX file of a trained model."""
    forms = options.forms()

    def work(folder: Path) -> Mapping[str, object]:
        known = ", ".join(form.name for form in (forms if timed else forms[:1]))
        workshop.progress.say(f"{name}: exporting ({known}), then comparing with PyTorch")
        names = input_names(trained.model)
        held = reference(trained, proof_rows)
        exported = export_best(trained.model, names, forms, held, folder / FLOAT_FILE, timed=timed)
        keep_finding(exported.finding, folder)
        write_json(folder / CANDIDATES, [asdict(one) for one in exported.tried])
        for one in exported.tried:
            if one.reason:
                workshop.progress.say(f"{name}: {one.name}: {one.reason}")
        return {"size_mb": exported.model.size_mb}

    return workshop.do(
        name,
        {
            "from": made_from.digest,
            "forms": [asdict(form) | {"domains": sorted(form.domains)} for form in forms],
            "timed": timed,
            "with": tools(),
            "rows": proof_rows.digest(),
        },
        work,
    )


def read_candidates(folder: Path) -> tuple[Candidate, ...]:
    """What was tried to make the file in this folder."""
    return tuple(Candidate(**one) for one in json.loads((folder / CANDIDATES).read_text(encoding="utf-8")))
