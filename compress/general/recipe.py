"""The recipe of general distillation (`task: fill-mask`), as strict frozen types."""

from typing import Annotated, Literal

from pydantic import Field, PositiveInt, field_validator

from compress.distill import Distill, Match, MiniLM
from compress.models.source import ModelSource
from compress.students import FromTeacher
from compress.training.options import TrainOptions
from export.options import Options

Share = Annotated[float, Field(gt=0, lt=1)]
METHODS = ("distilbert", "tinybert", "minilm", "match")


class TextOptions(Options):
    """Where the raw text is: files with one text per line."""

    path: str | Annotated[list[str], Field(min_length=1)]  # files or globs
    max_length: Annotated[int, Field(ge=8)] = 128  # tokens, at most the model's limit
    held_out: Share = 0.02  # of the lines, at most 2,000: what the result is measured on
    max_lines: PositiveInt | None = None  # a seeded sample; left out: every line

    @property
    def paths(self) -> list[str]:
        """Files or globs, one or many."""
        return [self.path] if isinstance(self.path, str) else self.path


class GeneralTeacher(ModelSource):
    """The pretrained model to learn from. With `train:` it first learns to fill in masks in these texts."""

    train: TrainOptions | None = None


class GeneralConfig(Options):
    """A whole recipe of general distillation."""

    task: Literal["fill-mask"]
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 13
    data: TextOptions
    teacher: GeneralTeacher
    student: FromTeacher
    distill: list[Distill] = Field(min_length=1)
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    report_to: list[str] = Field(default_factory=list)

    @field_validator("student")
    @classmethod
    def _every_word(cls, student: FromTeacher) -> FromTeacher:
        if student.vocabulary == "trim":
            raise ValueError(
                "vocabulary: trim cuts words that a later task may need; "
                "trim in that task's recipe: student: {model: ENCODER, vocabulary: trim}"
            )
        return student

    @field_validator("distill")
    @classmethod
    def _without_labels(cls, stages: list[Distill]) -> list[Distill]:
        for number, stage in enumerate(stages):
            if stage.method not in METHODS:
                raise ValueError(
                    f"stage {number}: the method {stage.method} needs a task, and raw text has none; "
                    f"take one of {', '.join(METHODS)}"
                )
            if isinstance(stage, Match) and {match.feature for match in stage.matches} & {"logits", "pooler"}:
                raise ValueError(
                    f"stage {number}: feature: logits or pooler needs a task, and raw text has none; "
                    "match layers, or take distilbert for the logits of masked words"
                )
            if isinstance(stage, MiniLM) and stage.assistant is not None:
                raise ValueError(
                    f"stage {number}: an assistant is not built for task: fill-mask; make it with a recipe of its "
                    "own, and give its encoder as teacher.model here"
                )
        return stages
