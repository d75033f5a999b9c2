"""What a task can say, a part in each file; `compress.tasks.task.Task` is all of them."""

from compress.tasks.interface.chance import knows_more_than_chance
from compress.tasks.interface.terms import (
    Bools,
    Columns,
    Fault,
    Floats,
    Labels,
    LabelSpace,
    Logits,
    Named,
    Raw,
    Reader,
)

__all__ = [
    "Bools",
    "Columns",
    "Fault",
    "Floats",
    "LabelSpace",
    "Labels",
    "Logits",
    "Named",
    "Raw",
    "Reader",
    "knows_more_than_chance",
]
