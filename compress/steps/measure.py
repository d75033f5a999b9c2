"""Every contestant's answers on the reported rows, and how long it takes for them."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from compress.data.rows import Rows
from compress.data.stratify import sample
from compress.judge.answers import read_answers, record_answers
from compress.judge.contestants import Contestant
from compress.judge.machine import machine, versions
from compress.judge.timing import time_contestants
from compress.recipe import BenchmarkOptions
from compress.stage import Stage
from compress.workshop import Workshop
from serve.bundle import sha256


def answers_stage(
    workshop: Workshop, contestant: Contestant, rows: Rows, labels: tuple[str, ...], name: str
) -> Stage:
    """A contestant's answers to these rows, for `read_answers`."""

    def answer(folder: Path) -> Mapping[str, object]:
        predictor = contestant.predictor()
        record_answers(
            contestant.key, predictor, rows.texts, labels, folder, workshop.progress, workshop.task
        )
        return {}

    return workshop.do(name, _inputs([contestant], rows, labels), answer)


def answers(
    workshop: Workshop,
    contestants: Sequence[Contestant],
    rows: Rows,
    labels: tuple[str, ...],
    name: str = "answers",
) -> dict[str, NDArray[np.float64]]:
    """The answers of every contestant to these rows, as its task stacks them; a stage for each of them."""
    stages = {
        one.key: answers_stage(workshop, one, rows, labels, f"{name}-{one.key.replace(' ', '-')}")
        for one in contestants
    }
    return {key: read_answers(stage.folder) for key, stage in stages.items()}


def clock_stage(
    workshop: Workshop,
    options: BenchmarkOptions,
    contestants: Sequence[Contestant],
    rows: Rows,
    labels: tuple[str, ...],
) -> Stage:
    """The latency of every contestant, on texts drawn from the reported rows."""

    def clock(folder: Path) -> Mapping[str, object]:
        drawn = sample(rows.with_labels(None), options.texts, workshop.seed).texts
        texts = workshop.task.answers_as.singly(drawn)[: options.texts]
        results = time_contestants(contestants, texts, options, workshop.seed, folder, workshop.progress)
        return {"noisy": any(result.noisy for result in results.values())}

    inputs = {**_inputs(contestants, rows, labels), "benchmark": options.model_dump()}
    timings = workshop.do("latency", inputs, clock)
    if timings.facts["noisy"]:
        # Kept for this report, and measured again by the next run, which may find the machine quiet.
        timings.reopen()
    return timings


def _inputs(contestants: Sequence[Contestant], rows: Rows, labels: tuple[str, ...]) -> dict[str, object]:
    files = {one.key: [*(sha256(file) for file in one.files), labels] for one in contestants}
    return {
        "files": files,
        "rows": rows.digest(),
        "machine": machine().model_dump(),
        "versions": versions(),
    }
