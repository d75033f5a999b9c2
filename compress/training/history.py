"""How a training went, kept in its stage's folder: the loss, and the score on the rows that select."""

import json
from collections.abc import Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import Any

from transformers import TrainerState

from compress.judge.report import Training
from compress.stage import write_json

FILE = "history.json"
_POINTS = 60  # of each curve in a report, which is kept small

Points = list[tuple[int, float]]


def keep_history(state: TrainerState, metric: str, folder: Path) -> None:
    """Write what `transformers.Trainer` logged; a resumed training's state holds what went before."""
    write_json(
        folder / FILE,
        {
            "steps": state.global_step,
            "loss": _points(state.log_history, "loss"),
            "score": _points(state.log_history, f"eval_{metric}"),
            "kept": state.best_global_step,
        },
    )


def read_histories(folders: Mapping[str, Path]) -> list[Training]:
    """The trainings of these stages, by name; a stage that trained nothing, or long ago, has none."""
    found = []
    for stage, folder in folders.items():
        path = folder / FILE
        if not path.is_file():
            continue
        document = json.loads(path.read_text(encoding="utf-8"))
        found.append(
            Training(
                stage=stage,
                steps=document["steps"],
                loss=_thinned(document["loss"]),
                score=_thinned(document["score"]),
                kept=document["kept"],
            )
        )
    return found


def _points(log: Sequence[Mapping[str, Any]], name: str) -> Points:
    """Step and value; what is no number, of a training that went astray, JSON could not hold."""
    found = [(int(entry["step"]), float(entry[name])) for entry in log if name in entry]
    return [(step, value) for step, value in found if isfinite(value)]


def _thinned(points: Sequence[Sequence[float]]) -> Points:
    """At most so many of the points, evenly, the first and the last among them."""
    last = len(points) - 1
    count = min(len(points), _POINTS)
    chosen = [round(number * last / max(count - 1, 1)) for number in range(count)]
    return [(int(points[place][0]), float(points[place][1])) for place in chosen]
