"""The options that every kind of training shares."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, PositiveFloat, PositiveInt

from export.options import Options


class TrainOptions(Options):
    """How long and how fast to learn."""

    # Which state is kept: the best by the task's metric, or, where a loss does not train the head that the
    # metric looks at, the last.
    selects: ClassVar[Literal["best", "last"]] = "best"
    looks_inside: ClassVar[bool] = False  # whether a teacher answers beside the student at every step

    epochs: PositiveFloat = 3
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 5e-5
    batch_size: PositiveInt = 32
    warmup_ratio: Annotated[float, Field(ge=0, lt=1)] = 0.1
    weight_decay: Annotated[float, Field(ge=0, le=1)] = 0.01
    checkpoint_steps: PositiveInt | None = None  # left out: every epoch, at most 500 steps apart
