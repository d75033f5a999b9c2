"""The proof of an exported file, kept beside it."""

import json
from dataclasses import asdict
from pathlib import Path

from compress.data.rows import Rows
from compress.judge.machine import machine, versions
from compress.models.predict import TorchPredictor, input_names
from compress.models.trained import Trained
from compress.stage import write_json
from export.model import OnnxModel
from export.parity import ParityFinding, Reference, make_reference
from serve.encoding import pad_id

PARITY = "parity.json"
PROOF_TEXTS = 64


def tools() -> dict[str, object]:
    """What a file and its proof depend on besides the model: versions, and the processor that computed."""
    found = versions()
    used = ("torch", "onnx", "onnxscript", "onnxruntime", "tokenizers")
    return {name: found.get(name) for name in used} | {"processor": machine().model_dump()}


def reference(trained: Trained, rows: Rows) -> Reference:
    """What files of this model are held against: its answers to some of the rows, and the rest of them."""
    encoder = trained.encoder
    texts = trained.answering.singly(rows.texts)
    return make_reference(
        TorchPredictor(trained).forward_all,
        input_names(trained.model),
        encoder,
        pad_id(encoder, trained.folder / "tokenizer_config.json"),
        texts[:PROOF_TEXTS],
        further=texts[PROOF_TEXTS:],
        outputs=trained.answering.outputs(len(trained.labels)),
    )


def prove(model: OnnxModel, trained: Trained, rows: Rows, folder: Path) -> None:
    """Hold a file against PyTorch on these rows and keep the finding; raises `ProofError` where it differs."""
    keep_finding(reference(trained, rows).hold(model), folder)


def keep_finding(finding: ParityFinding, folder: Path) -> None:
    """Write what was found beside the file."""
    write_json(folder / PARITY, asdict(finding))


def read_finding(folder: Path) -> ParityFinding:
    """What was kept in this folder."""
    values = json.loads((folder / PARITY).read_text(encoding="utf-8"))
    values["batch_sizes"], values["lengths"] = tuple(values["batch_sizes"]), tuple(values["lengths"])
    return ParityFinding(**values)
