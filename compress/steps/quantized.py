"""The stage that makes an exported file smaller, with the proof that it still answers as its model does."""

from collections.abc import Mapping
from pathlib import Path

from compress.data.rows import Rows
from compress.models.trained import Trained
from compress.stage import Stage
from compress.steps.proof import prove, read_finding, tools
from compress.workshop import Workshop
from export.model import OnnxModel
from export.parity import ParityFinding
from export.quantize import Quantize

QUANTIZED_FILE = "model_quantized.onnx"


def quantize_stage(
    workshop: Workshop,
    options: Quantize,
    made_from: Stage,
    model: OnnxModel,
    trained: Trained,
    proof_rows: Rows,
    name: str,
) -> tuple[OnnxModel, ParityFinding] | None:
    """The int8 file, or None where the recipe keeps the float one."""
    if options.method == "none":
        return None

    def work(folder: Path) -> Mapping[str, object]:
        workshop.progress.say(f"{name}: {options.method} quantisation, then comparing with PyTorch")
        quantized = options.quantize(model, folder / QUANTIZED_FILE)
        assert quantized is not None
        prove(quantized, trained, proof_rows, folder)
        return {"size_mb": quantized.size_mb}

    stage = workshop.do(
        name,
        {
            "from": made_from.digest,
            "options": options.model_dump(),
            "with": tools(),
            "rows": proof_rows.digest(),
        },
        work,
    )
    return OnnxModel(stage.folder / QUANTIZED_FILE, "int8", model.opset), read_finding(stage.folder)
