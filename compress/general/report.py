"""`encoder.json`: what general distillation found, as a frozen document; and what is said of it."""

import shlex
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from compress.judge.report import Machine

REPORT = "encoder.json"


class MaskedWords(BaseModel):
    """How the masked tokens of the held-out lines were filled in."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    teacher_accuracy: float
    student_accuracy: float
    agreement: float  # share of masked tokens for which both have the same first choice
    tokens: int


class Nearness(BaseModel):
    """How near the encoder is to its teacher, on the held-out lines."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    # Mean cosine of the models' vectors of a line (the mean of its last hidden states); None where widths differ.
    likeness: float | None
    likeness_before: float | None  # the same before any distillation
    masked: MaskedWords | None  # None where the teacher has no head that fills in masks


class EncoderReport(BaseModel):
    """A small pretrained encoder, and how near it is to the one that it came from."""

    model_config = ConfigDict(extra="forbid", frozen=True, serialize_by_alias=True, validate_by_name=True)

    schema_number: Literal[1] = Field(default=1, alias="schema")
    task: Literal["fill-mask"] = "fill-mask"
    encoder: str  # the folder that other recipes take as student.model
    lines: int  # learnt from
    held_out: int  # lines that it was measured on
    nearness: Nearness
    teacher_parameters: int  # of the encoders alone, without heads
    student_parameters: int
    teacher_layers: int
    student_layers: int
    recipe: dict[str, object]
    machine: Machine
    versions: dict[str, str]
    created: str  # ISO 8601, UTC
    seconds: dict[str, float]  # per stage, of the run in which it was done
    reproduce: str


def described(report: EncoderReport, program: str = "compress") -> str:
    """What was made, how near it is to its teacher, and what to do with it."""
    student = f"{{model: {report.encoder}}}"
    return "\n".join(
        [
            f"A pretrained encoder: {report.student_layers} layers, {report.student_parameters:,} parameters "
            f"(its teacher: {report.teacher_layers} layers, {report.teacher_parameters:,} parameters), "
            f"learnt from {report.lines:,} lines of text.",
            "",
            *_findings(report),
            f"Encoder: {report.encoder}",
            "",
            "Next: it knows the language, and no task yet. Run the recipe of your task with it as the student:",
            f"  {program} run RECIPE.yaml --set {shlex.quote(f'student={student}')}",
            f"or write there `student: {student}`.",
        ]
    )


def _findings(report: EncoderReport) -> list[str]:
    """The figures, each with what it is to be compared with."""
    near, rows = report.nearness, []
    if near.likeness is not None:
        rows.append(
            (
                "likeness to the teacher (cosine, 1 is the same)",
                f"{near.likeness:.3f}",
                f"before: {near.likeness_before:.3f}",
            )
        )
    if near.masked is not None:
        masked = near.masked
        rows += [
            (
                "masked words that it fills in rightly",
                f"{masked.student_accuracy:.1%}",
                f"teacher: {masked.teacher_accuracy:.1%}",
            ),
            ("masked words where both choose the same", f"{masked.agreement:.1%}", ""),
        ]
    if not rows:
        return []
    lines = [f"  {what:<49}{figure:>6}   {beside}".rstrip() for what, figure, beside in rows]
    return [f"On {report.held_out:,} lines that it did not learn from:", *lines, ""]
