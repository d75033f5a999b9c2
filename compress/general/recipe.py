"""The recipe of general distillation (`task: fill-mask`), as strict frozen types."""

from typing import Annotated, Literal, Self

from pydantic import Field, PositiveInt, model_validator

from compress.distill import Distill
from compress.recipe import TeacherOptions
from compress.students import FromTeacher
from export.options import Options

Share = Annotated[float, Field(gt=0, lt=1)]


class TextOptions(Options):
    """Where the raw text is: files with one text per line."""

    path: str | list[str]  # a file, a folder of .txt files, or a glob; several of them in a list
    max_length: Annotated[int, Field(ge=8)] = 128  # tokens
    held_out: Share = 0.02  # of the lines, at most 2,000: what the result is measured on
    max_lines: PositiveInt | None = None  # a seeded sample; left out: every line


class GeneralConfig(Options):
    """A whole recipe of general distillation."""

    task: Literal["fill-mask"]
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 13
    data: TextOptions
    teacher: TeacherOptions
    student: FromTeacher
    distill: list[Distill] = Field(min_length=1)
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    report_to: list[str] = Field(default_factory=list)

    @model_validator(mode="after")
    def _without_labels(self) -> Self:
        for stage in self.distill:
            if stage.method in {"plain", "logits", "theseus", "mutual"}:
                raise ValueError(
                    f"the method {stage.method} needs a task, and raw text has none; "
                    "use distilbert, tinybert, minilm or match"
                )
        return self
