"""Packing a bundle: written under a temporary name, its manifest last, then put in place in one step."""

import json
import shutil
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import onnx

from export.model import OnnxModel
from export.proof import ProofError
from serve.bundle import (
    FLOAT_MODEL,
    FORMAT,
    MANIFEST,
    QUANTIZED_MODEL,
    Batches,
    BundleFile,
    Manifest,
    VerifiedOn,
    read,
    sha256,
)
from serve.session import open_session
from serve.tasks import Answering, SingleLabel


def pack(
    target: Path,
    *,
    name: str,
    task: str,
    labels: tuple[str, ...],
    max_length: int,
    model_folder: Path,
    float_model: OnnxModel,
    quantized_model: OnnxModel | None,
    documents: Mapping[str, str],
    verdict: str,
    verified_on: VerifiedOn,
    batches: Batches | None = None,
    text_pair: bool = False,
    answering: Answering = SingleLabel(),  # noqa: B008  frozen
) -> None:
    """Write the bundle at `target`, replacing an older one only when the new one is whole.

    `model_folder` gives config.json and the tokenizer; `documents` are further files by name. Raises `ProofError`
    where config.json names the outputs otherwise than `labels`.
    """
    _check_labels(model_folder / "config.json", labels)
    work = target.with_name(f".{target.name}.part")
    shutil.rmtree(work, ignore_errors=True)
    try:
        shipped = _write_files(work, model_folder, float_model, quantized_model, documents)
        count = len(labels)
        session = open_session(work / _place(shipped), count, outputs=answering.outputs(count))
        manifest = Manifest(
            format=FORMAT,
            name=name,
            task=task,
            labels=list(labels),
            max_length=max_length,
            text_pair=text_pair,
            answering=answering,
            inputs=list(session.inputs),
            output=session.output,
            model=_place(shipped),
            precision=shipped.precision,
            batching=shipped.batching,
            batches=batches,
            opset=shipped.opset,
            ir_version=onnx.load(str(shipped.path), load_external_data=False).ir_version,
            verdict=verdict,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            verified_on=verified_on,
            files=_listed(work),
        )
        (work / MANIFEST).write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")
        read(work)
        _put_in_place(work, target)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _check_labels(config: Path, labels: tuple[str, ...]) -> None:
    """Some readers of a bundle take the names from one place, some from the other."""
    names = json.loads(config.read_text(encoding="utf-8")).get("id2label", {})
    found = tuple(names.get(str(index)) for index in range(len(names)))
    if found != labels:
        raise ProofError(
            f"{config.name} calls the outputs {', '.join(map(str, found))}, and the bundle would call them "
            f"{', '.join(labels)}: the labels are in another order. No bundle was written."
        )


def _write_files(
    work: Path,
    model_folder: Path,
    float_model: OnnxModel,
    quantized_model: OnnxModel | None,
    documents: Mapping[str, str],
) -> OnnxModel:
    """Everything but the manifest; returns the model that ships."""
    (work / "onnx").mkdir(parents=True)
    for file in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(model_folder / file, work / file)
    shutil.copyfile(float_model.path, work / FLOAT_MODEL)
    if quantized_model is not None:
        shutil.copyfile(quantized_model.path, work / QUANTIZED_MODEL)
    for file, text in documents.items():
        (work / file).write_text(text, encoding="utf-8")
    return quantized_model or float_model


def _listed(folder: Path) -> dict[str, BundleFile]:
    return {
        file.relative_to(folder).as_posix(): BundleFile(sha256=sha256(file), size_bytes=file.stat().st_size)
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


def _place(model: OnnxModel) -> str:
    return FLOAT_MODEL if model.precision == "fp32" else QUANTIZED_MODEL


def _put_in_place(work: Path, target: Path) -> None:
    old = target.with_name(f".{target.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        target.replace(old)
    work.replace(target)
    shutil.rmtree(old, ignore_errors=True)
