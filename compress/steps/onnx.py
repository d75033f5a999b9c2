"""The stages that export and quantise a trained model, with the proof that each file answers as it did."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from compress.data.rows import Rows
from compress.judge.contestants import Files
from compress.judge.machine import machine, versions
from compress.models.predict import TorchPredictor, input_names
from compress.models.trained import Trained
from compress.stage import Stage, write_json
from compress.workshop import Workshop
from export.model import OnnxModel
from export.onnx_export import EXPORTER, OPSET, to_onnx
from export.parity import ParityFinding, prove_parity
from export.quantize import Quantize
from serve.encoding import pad_id

FLOAT_FILE = "model.onnx"
QUANTIZED_FILE = "model_quantized.onnx"
PARITY = "parity.json"
PROOF_TEXTS = 64


def export_files(
    workshop: Workshop, proof_rows: Rows, name: str, made: tuple[Stage, Trained], quantize: Quantize
) -> Files:
    """The ONNX files of a model, each proven on these rows; raises `ProofError` where one is not its model."""
    stage, trained = made
    float_model, parity, exported = _export_stage(workshop, f"{name}-onnx", stage, trained, proof_rows)
    small = _quantize_stage(workshop, quantize, exported, float_model, trained, proof_rows, f"{name}-int8")
    if small is None:
        return Files(trained, float_model, None, (parity,))
    return Files(trained, float_model, small[0], (parity, small[1]))


def _export_stage(
    workshop: Workshop, name: str, made_from: Stage, trained: Trained, proof_rows: Rows
) -> tuple[OnnxModel, ParityFinding, Stage]:
    """The float ONNX file of a trained model."""

    def work(folder: Path) -> Mapping[str, object]:
        workshop.progress.say(f"{name}: exporting at opset {OPSET}, then comparing with PyTorch")
        model = to_onnx(trained.model, input_names(trained.model), folder / FLOAT_FILE)
        _prove(model, trained, proof_rows, folder)
        return {"size_mb": model.size_mb}

    stage = workshop.do(
        name,
        {
            "from": made_from.digest,
            "opset": OPSET,
            "exporter": EXPORTER,
            "with": _tools(),
            "rows": proof_rows.digest(),
        },
        work,
    )
    return OnnxModel(stage.folder / FLOAT_FILE, "fp32", OPSET), _read_finding(stage.folder), stage


def _quantize_stage(
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
        _prove(quantized, trained, proof_rows, folder)
        return {"size_mb": quantized.size_mb}

    stage = workshop.do(
        name,
        {
            "from": made_from.digest,
            "options": options.model_dump(),
            "with": _tools(),
            "rows": proof_rows.digest(),
        },
        work,
    )
    return OnnxModel(stage.folder / QUANTIZED_FILE, "int8", model.opset), _read_finding(stage.folder)


def _tools() -> dict[str, object]:
    """What a file and its proof depend on besides the model: versions, and the processor that computed."""
    found = versions()
    used = ("torch", "onnx", "onnxscript", "onnxruntime", "tokenizers")
    return {name: found.get(name) for name in used} | {"processor": machine().model_dump()}


def _prove(model: OnnxModel, trained: Trained, rows: Rows, folder: Path) -> None:
    encoder = trained.encoder
    finding = prove_parity(
        model,
        TorchPredictor(trained).forward,
        encoder,
        pad_id(encoder, trained.folder / "tokenizer_config.json"),
        rows.texts[:PROOF_TEXTS],
        len(trained.labels),
    )
    write_json(folder / PARITY, asdict(finding))


def _read_finding(folder: Path) -> ParityFinding:
    values = json.loads((folder / PARITY).read_text(encoding="utf-8"))
    values["batch_sizes"], values["lengths"] = tuple(values["batch_sizes"]), tuple(values["lengths"])
    return ParityFinding(**values)
