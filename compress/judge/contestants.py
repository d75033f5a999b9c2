"""The models that a report compares, each with the way to make it answer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from compress.models.predict import TorchPredictor
from compress.models.trained import Trained
from export.model import OnnxModel
from serve.predictor import Predictor
from serve.runtime import OnnxRuntime

REFERENCE = "teacher torch fp32"


@dataclass(frozen=True)
class Contestant:
    """One row of the result table."""

    name: str  # teacher, student
    runtime: Literal["torch", "onnxruntime"]
    precision: Literal["fp32", "int8"]
    trained: Trained  # the PyTorch model, or the one that the file came from
    file: Path | None  # the ONNX file

    @property
    def key(self) -> str:
        """Its name in figures: `student onnxruntime int8`."""
        return f"{self.name} {self.runtime} {self.precision}"

    @property
    def size_mb(self) -> float:
        """Size of the weights or the ONNX file, in 10^6 bytes."""
        return self.trained.size_mb if self.file is None else self.file.stat().st_size / 1e6

    def predictor(self, threads: int | None = None) -> Predictor:
        """It, answering with this many threads; the ONNX files as they are run when served."""
        if self.file is None:
            return TorchPredictor(self.trained, threads=threads)
        return OnnxRuntime.from_files(
            self.file,
            self.trained.folder / "tokenizer.json",
            self.trained.labels,
            batching="batch" if self.precision == "fp32" else "one_by_one",
            threads=threads,
        )


def line_up(
    teacher: Trained,
    teacher_onnx: OnnxModel,
    student: Trained | None,
    float_model: OnnxModel,
    quantized: OnnxModel | None,
) -> list[Contestant]:
    """Teacher in PyTorch and in ONNX, then what was made of it; the last one ships."""
    contestants = [
        Contestant("teacher", "torch", "fp32", teacher, None),
        Contestant("teacher", "onnxruntime", "fp32", teacher, teacher_onnx.path),
    ]
    name, trained = ("teacher", teacher) if student is None else ("student", student)
    if student is not None:
        contestants.append(Contestant(name, "onnxruntime", "fp32", trained, float_model.path))
    if quantized is not None:
        contestants.append(Contestant(name, "onnxruntime", "int8", trained, quantized.path))
    return contestants


def predictors(contestants: Sequence[Contestant], threads: int | None = None) -> Mapping[str, Predictor]:
    """All of them, answering with the same number of threads."""
    return {contestant.key: contestant.predictor(threads) for contestant in contestants}
