"""Raw text that can be learnt from, and a finished run of general distillation on it."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tiny import FILLERS, TOPICS

from compress.general.report import EncoderReport

Recipe = dict[str, Any]
RecipeOf = Callable[..., Recipe]  # a method and its options


@dataclass(frozen=True)
class GeneralRun:
    """A finished run with what it was made from."""

    recipe: Recipe
    folder: Path
    report: EncoderReport


def raw_lines(count: int, seed: int) -> list[str]:
    """Each says the words of one topic in their order, from anywhere on, so that a masked one can be told."""
    random_ = random.Random(seed)
    lines = []
    for _ in range(count):
        topic = random_.choice(list(TOPICS.values()))
        first = random_.randrange(len(topic))
        words = [topic[(first + place) % len(topic)] for place in range(random_.randint(5, 12))]
        lines.append(" ".join([*random_.choices(FILLERS, k=2), *words, random_.choice(FILLERS)]))
    return lines
