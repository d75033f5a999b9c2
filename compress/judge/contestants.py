"""The models that a report compares, each with the way to make it answer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from compress.judge.report import LadderRow
from compress.models.predict import TorchPredictor
from compress.models.teachers import Teachers
from compress.models.trained import WEIGHTS, Trained
from export.candidates import Candidate
from export.model import OnnxModel
from export.parity import ParityFinding
from serve.bundle import TOKENIZER, Batching, Precision
from serve.predictor import Predictor
from serve.runtime import OnnxRuntime

REFERENCE = "teacher torch fp32"


@dataclass(frozen=True)
class Contestant:
    """One row of the result table."""

    name: str  # teacher, teacher 2, plain student, student
    runtime: Literal["torch", "onnxruntime"]
    precision: Precision
    model: Trained | Teachers  # the PyTorch model, or the one that the file came from
    file: Path | None  # the ONNX file
    batching: Batching = "batch"  # of the ONNX file

    @property
    def key(self) -> str:
        """Its name in figures: `student onnxruntime int8`."""
        return f"{self.name} {self.runtime} {self.precision}"

    @property
    def size_mb(self) -> float:
        """Size of the weights or the ONNX file, in 10^6 bytes."""
        return self.model.size_mb if self.file is None else self.file.stat().st_size / 1e6

    @property
    def files(self) -> list[Path]:
        """What its answers depend on."""
        members = self.model.members if isinstance(self.model, Teachers) else (self.model,)
        weights = [self.file] if self.file else [member.folder / WEIGHTS for member in members]
        return [*weights, *(member.folder / TOKENIZER for member in members)]

    def predictor(self, threads: int | None = None) -> Predictor:
        """It, answering with this many threads; the ONNX files as they are run when served."""
        if isinstance(self.model, Teachers):
            return self.model.predictor(threads=threads)
        if self.file is None:
            return TorchPredictor(self.model, threads=threads)
        return OnnxRuntime.from_files(
            self.file,
            self.model.folder / TOKENIZER,
            self.model.labels,
            batching=self.batching,
            threads=threads,
            answering=self.model.answering,
        )


@dataclass(frozen=True)
class Files:
    """A model with the ONNX files that were made of it, and how near they are to it."""

    trained: Trained
    float_model: OnnxModel
    quantized: OnnxModel | None
    parity: tuple[ParityFinding, ...]
    tried: tuple[Candidate, ...] = ()  # the forms of ONNX file among which the float one was chosen
    ladder: tuple[LadderRow, ...] = ()  # what was tried, where the recipe leaves the choice


def line_up_teachers(teachers: Teachers, files: Files | None) -> list[Contestant]:
    """The teacher in PyTorch, and in ONNX; of several teachers their average, then each."""
    if len(teachers.members) == 1:
        lined_up = [Contestant("teacher", "torch", "fp32", teachers.first, None)]
    else:
        lined_up = [Contestant("teacher", "torch", "fp32", teachers, None)]
        lined_up += [
            Contestant(f"teacher {number}", "torch", "fp32", member, None)
            for number, member in enumerate(teachers.members, start=1)
        ]
    if files is not None:
        lined_up += line_up_student("teacher", files)
    return lined_up


def line_up_student(name: str, files: Files) -> list[Contestant]:
    """Its ONNX files; the last one ships."""
    lined_up = [Contestant(name, "onnxruntime", "fp32", files.trained, files.float_model.path)]
    if files.quantized is not None:
        made = files.quantized
        lined_up.append(
            Contestant(name, "onnxruntime", made.precision, files.trained, made.path, made.batching)
        )
    return lined_up


def predictors(contestants: Sequence[Contestant], threads: int | None = None) -> Mapping[str, Predictor]:
    """All of them, answering with the same number of threads."""
    return {contestant.key: contestant.predictor(threads) for contestant in contestants}
