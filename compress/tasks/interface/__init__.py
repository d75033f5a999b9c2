"""What a task can say, a part in each file; `compress.tasks.task.Task` is all of them."""

from compress.tasks.interface.chance import knows_more_than_chance
from compress.tasks.interface.judging import JudgingPart
from compress.tasks.interface.telling import TellingPart
from compress.tasks.interface.terms import (
    Bools,
    Columns,
    Fault,
    Floats,
    Imitation,
    Labels,
    LabelSpace,
    Logits,
    Named,
    Raw,
    Reader,
)
from compress.tasks.interface.training import TrainingPart

__all__ = [
    "Bools",
    "Columns",
    "Fault",
    "Floats",
    "Imitation",
    "JudgingPart",
    "LabelSpace",
    "Labels",
    "Logits",
    "Named",
    "Raw",
    "Reader",
    "TellingPart",
    "TrainingPart",
    "knows_more_than_chance",
]
