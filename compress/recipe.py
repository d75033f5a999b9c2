"""The recipe: what one run is asked to do, as strict frozen types.

What starts a run sees a `RunConfig` whole; every stage gets its own part.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import (
    Discriminator,
    Field,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    Tag,
    ValidationInfo,
    field_validator,
    model_validator,
)

from compress.augment import Augment
from compress.distill import Distill
from compress.models.source import ModelSource
from compress.students import Student
from compress.tasks import ALIASES, BUILT, Task, task_named
from compress.training.options import TrainOptions
from export.options import Options
from export.quantize import Auto, Dynamic, KeepFloat, Qat, Quantiser, Quantize
from export.target import ExportOptions

Share = Annotated[float, Field(gt=0, le=1)]


class Columns(Options):
    """Which columns hold what. `label: null` says that the data has no labels."""

    text: str | None = None  # left out: text, sentence, ... or the only column of strings
    text_pair: str | None = None  # the second of two texts that are read together
    # Left out: label, labels, intent, ... Several: a column of 0 and 1 for each of several labels per text.
    label: str | list[str] | None = None


class SplitNames(Options):
    """Which of the data's splits plays which part. What is left out is found or made."""

    train: str | None = None
    validation: str | None = None  # selects checkpoints; left out: carved from train
    test: str | None = None  # the reported rows


class DataOptions(Options):
    """Where the texts are."""

    path: str = Field(min_length=1)  # Hub id, file or folder
    name: str | None = None  # Hub only: the configuration
    revision: str | None = None  # Hub only
    columns: Columns = Columns()
    splits: SplitNames = SplitNames()
    labels: dict[int, str] | list[str] | None = None
    max_length: Annotated[int, Field(ge=8)] | None = None  # tokens; left out: from the data's lengths
    # Of question answering: what becomes of answers that do not stand at their answer_start.
    misplaced_answers: Literal["refuse", "leave_out"] = "refuse"
    max_train_rows: PositiveInt | None = None  # a stratified sample of train; left out: every row
    # Files of texts (globs), which the student learns from with the teacher's answers alone.
    unlabeled: str | list[str] | None = None
    # Further labelled files by name, which are reported beside the test rows and never learnt from.
    generalization: dict[str, str] | None = None

    @field_validator("labels")
    @classmethod
    def _contiguous(cls, labels: dict[int, str] | list[str] | None) -> dict[int, str] | list[str] | None:
        if isinstance(labels, dict) and sorted(labels) != list(range(len(labels))):
            raise ValueError(f"ids must run from 0 without gaps; found {sorted(labels)}")
        names = list(labels.values()) if isinstance(labels, dict) else labels or []
        if len(set(names)) != len(names):
            raise ValueError("two labels have the same name")
        if labels is not None and len(names) < 2:
            raise ValueError("at least two labels are needed")
        return labels

    @property
    def label_names(self) -> tuple[str, ...] | None:
        """The names by id, as the recipe gives them."""
        if self.labels is None:
            return None
        if isinstance(self.labels, dict):
            return tuple(self.labels[index] for index in range(len(self.labels)))
        return tuple(self.labels)


class TeacherTraining(TrainOptions):
    """How a teacher is fine-tuned."""

    # The share of steps in which a layer is left out (Fan et al. 2019), so that it can be left out for good.
    layer_drop: Annotated[float, Field(ge=0, lt=1)] = 0.0


class TeacherOptions(ModelSource):
    """The model to compress. Without `train:` it is used as it is."""

    train: TeacherTraining | None = None
    weight: PositiveFloat = 1.0  # among several teachers


def _how_many(teacher: object) -> str:
    return "<several>" if isinstance(teacher, list) else "<one>"


# The tags are marked, so that a message can leave them out of the place of a mistake.
Teacher = Annotated[
    Annotated[TeacherOptions, Tag("<one>")]
    | Annotated[list[TeacherOptions], Field(min_length=1), Tag("<several>")],
    Discriminator(_how_many),
]


def _task(name: object, problem_type: object) -> Task | None:
    """The task of these words; None for words that are refused elsewhere."""
    try:
        return task_named(str(name), None if problem_type is None else str(problem_type))
    except KeyError:
        return None


class Gates(Options):
    """What the file that ships must reach."""

    min_retention: PositiveFloat | None = None  # shipped score / teacher score
    min_agreement: Share | None = None
    min_speedup: PositiveFloat | None = None  # p50, against the teacher in PyTorch, same threads
    max_size_mb: PositiveFloat | None = None
    max_invariance_flips: NonNegativeInt | None = None  # rows whose label depends on more than their text


class BenchmarkOptions(Options):
    """How latency is measured."""

    seconds: Annotated[float, Field(ge=1, le=3600)] = 60  # for each thread setting
    texts: Annotated[int, Field(ge=10)] = 200  # drawn from the reported rows
    threads: PositiveInt | Literal["auto"] = "auto"


class BundleOptions(Options):
    """What travels in the bundle."""

    rows: bool = True  # the test rows with the teacher's answers; they are people's text


class RunConfig(Options):
    """A whole recipe."""

    task: str = "text-classification"
    # Of text-classification, in transformers' words; left out: one label per text.
    problem_type: (
        Literal["single_label_classification", "multi_label_classification", "regression"] | None
    ) = None
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 13
    data: DataOptions
    teacher: Teacher
    average: Literal["logits", "probabilities"] = "logits"  # of several teachers
    student: Student | None = None  # left out: the teacher itself is exported and judged
    augment: Augment | None = None  # more texts, made of those of train and labelled by the teacher
    distill: list[Distill] = Field(default_factory=list)
    baseline: bool = False  # also train the same student without a teacher, and compare
    export: ExportOptions = ExportOptions()
    quantize: Quantize = Dynamic()
    metric: str = "accuracy"  # left out: the first that the task has
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    gates: Gates = Gates()
    benchmark: BenchmarkOptions = BenchmarkOptions()
    bundle: BundleOptions = BundleOptions()
    report_to: list[str] = Field(
        default_factory=list
    )  # tensorboard, wandb, ...: what transformers.Trainer knows

    @field_validator("task")
    @classmethod
    def _built(cls, task: str) -> str:
        if task not in BUILT:
            raise ValueError(f"no such task: {task}; built: {', '.join(BUILT)}")
        return task

    @model_validator(mode="before")
    @classmethod
    def _default_metric(cls, values: Any) -> Any:
        """The task's own, so that the recipe in a report says which it was."""
        if not isinstance(values, dict):
            return values
        if values.get("task") in list(ALIASES):
            values = {**values, "task": ALIASES[values["task"]]}
        if values.get("metric") is not None:
            return values
        task = _task(values.get("task", "text-classification"), values.get("problem_type"))
        return values if task is None else {**values, "metric": task.metrics[0]}

    @field_validator("problem_type")
    @classmethod
    def _kind_of_its_task(cls, problem_type: str | None, info: ValidationInfo) -> str | None:
        task = info.data.get("task")
        if problem_type is not None and task in BUILT and _task(task, problem_type) is None:
            raise ValueError(f"{problem_type} is no kind of {task}; take it out")
        return problem_type

    @field_validator("metric")
    @classmethod
    def _of_the_task(cls, metric: str, info: ValidationInfo) -> str:
        task = _task(info.data.get("task"), info.data.get("problem_type"))
        if task is not None and metric not in task.metrics:
            kind = info.data.get("problem_type")
            raise ValueError(
                f"{metric!r} is no metric of {task.name}{f' ({kind})' if kind else ''}; "
                f"it has {', '.join(map(repr, task.metrics))}"
            )
        return metric

    @property
    def built_task(self) -> Task:
        """What is learnt."""
        return task_named(self.task, self.problem_type)

    @property
    def teachers(self) -> tuple[TeacherOptions, ...]:
        """The teachers; one in most recipes."""
        return tuple(self.teacher) if isinstance(self.teacher, list) else (self.teacher,)

    @property
    def quantiser(self) -> Quantiser | Auto | KeepFloat:
        """What `quantize:` asks for; the automatic choice knows the gate on size."""
        if isinstance(self.quantize, Auto) and self.quantize.max_size_mb is None:
            return self.quantize.model_copy(update={"max_size_mb": self.gates.max_size_mb})
        return self.quantize

    @model_validator(mode="after")
    def _quantised_for_its_target(self) -> Self:
        if fault := self.export.clash(self.quantize.method):
            raise ValueError(f"export: {fault}")
        return self

    @model_validator(mode="after")
    def _trained_for_int8(self) -> Self:
        if isinstance(self.quantize, Qat) and self.student is None:
            raise ValueError(
                "quantize: qat trains what it quantises, and there is no student: to train; add student: and "
                "distill:, or take method: static"
            )
        return self

    @model_validator(mode="after")
    def _student_and_stages(self) -> Self:
        if self.student is None:
            for key in ("distill", "augment", "baseline"):
                if getattr(self, key):
                    raise ValueError(
                        f"{key}: is given, but there is no student: to distil into; add student: {{layers: 3}}"
                    )
            if self.data.unlabeled is not None:
                raise ValueError(
                    "data.unlabeled is given, but there is no student: to learn from it; add student: {layers: 3}"
                )
            if len(self.teachers) > 1:
                raise ValueError(
                    "there are several teachers and no student:, and an average of models cannot be exported; "
                    "add student: {layers: 3}, or keep one teacher"
                )
        elif not self.distill:
            raise ValueError(
                "student: is given without distill:; add distill: [{method: logits}], or take student: out"
            )
        elif self.distill[-1].selects == "last":
            raise ValueError(
                f"distill: ends with {self.distill[-1].method}, which teaches layers and not the head that answers; "
                "add a last stage, for example {method: logits}"
            )
        return self
