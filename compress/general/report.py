"""`encoder.json`: what general distillation found, as a frozen document."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from compress.judge.report import Machine


class MaskedWords(BaseModel):
    """How the masked tokens of the held-out lines were filled in."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    teacher_accuracy: float
    student_accuracy: float
    agreement: float  # share of masked tokens for which both have the same first choice
    tokens: int


class EncoderReport(BaseModel):
    """A small pretrained encoder, and how near it is to the one that it came from."""

    model_config = ConfigDict(extra="forbid", frozen=True, serialize_by_alias=True, validate_by_name=True)

    schema_number: Literal[1] = Field(default=1, alias="schema")
    task: Literal["fill-mask"] = "fill-mask"
    encoder: str  # the folder that other recipes take as student.model
    lines: int  # learnt from
    held_out: int  # lines that it was measured on
    # Mean cosine of both models' mean last hidden states, over held-out lines; None where widths differ.
    likeness: float | None
    likeness_before: float | None  # the same before any distillation
    masked: MaskedWords | None  # None where the teacher has no masked-language-model head
    teacher_parameters: int
    student_parameters: int
    student_layers: int
    recipe: dict[str, object]
    machine: Machine
    versions: dict[str, str]
    created: str  # ISO 8601, UTC
    seconds: dict[str, float]  # per stage, of the run in which it was done
    reproduce: str


def sentence(report: EncoderReport) -> str:
    """What was made, in one sentence."""
    text = (
        f"a {report.student_layers}-layer encoder with {report.student_parameters / 1e6:.1f} M parameters "
        f"(teacher {report.teacher_parameters / 1e6:.1f} M) from {report.lines:,} lines"
    )
    if report.masked is not None:
        text += (
            f"; it fills in {report.masked.student_accuracy:.1%} of the masked tokens "
            f"(teacher {report.masked.teacher_accuracy:.1%})"
        )
    if report.likeness is not None and report.likeness_before is not None:
        text += f"; cosine to the teacher {report.likeness:.3f} (before: {report.likeness_before:.3f})"
    return text
