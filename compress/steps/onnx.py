"""The stages that export a trained model, with the proof that each file answers as it did."""

from collections.abc import Mapping
from pathlib import Path

from compress.data.rows import Rows
from compress.judge.contestants import Files
from compress.models.predict import input_names
from compress.models.trained import Trained
from compress.stage import Stage
from compress.steps.proof import prove, read_finding, tools
from compress.steps.quantized import quantize_stage
from compress.workshop import Workshop
from export.model import OnnxModel
from export.onnx_export import EXPORTER, OPSET, to_onnx
from export.parity import ParityFinding
from export.quantize import Quantize

FLOAT_FILE = "model.onnx"


def export_files(
    workshop: Workshop, proof_rows: Rows, name: str, made: tuple[Stage, Trained], quantize: Quantize
) -> Files:
    """The ONNX files of a model, each proven on these rows; raises `ProofError` where one is not its model."""
    stage, trained = made
    float_model, parity, exported = _export_stage(workshop, f"{name}-onnx", stage, trained, proof_rows)
    small = quantize_stage(workshop, quantize, exported, float_model, trained, proof_rows, f"{name}-int8")
    return Files(trained, float_model, small.model, (parity, *small.parity), small.ladder)


def _export_stage(
    workshop: Workshop, name: str, made_from: Stage, trained: Trained, proof_rows: Rows
) -> tuple[OnnxModel, ParityFinding, Stage]:
    """The float ONNX file of a trained model."""

    def work(folder: Path) -> Mapping[str, object]:
        workshop.progress.say(f"{name}: exporting at opset {OPSET}, then comparing with PyTorch")
        model = to_onnx(trained.model, input_names(trained.model), folder / FLOAT_FILE)
        prove(model, trained, proof_rows, folder)
        return {"size_mb": model.size_mb}

    stage = workshop.do(
        name,
        {
            "from": made_from.digest,
            "opset": OPSET,
            "exporter": EXPORTER,
            "with": tools(),
            "rows": proof_rows.digest(),
        },
        work,
    )
    return OnnxModel(stage.folder / FLOAT_FILE, "fp32", OPSET), read_finding(stage.folder), stage
