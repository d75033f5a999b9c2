"""Every contestant's answers on the reported rows, and how long it takes for them."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from compress.data.rows import Rows
from compress.data.stratify import sample
from compress.judge.answers import record_answers
from compress.judge.contestants import Contestant, predictors
from compress.judge.machine import machine, versions
from compress.judge.timing import time_contestants
from compress.recipe import BenchmarkOptions
from compress.stage import Stage
from compress.workshop import Workshop
from serve.bundle import sha256


def record_stage(
    workshop: Workshop,
    contestants: Sequence[Contestant],
    rows: Rows,
    labels: tuple[str, ...],
    name: str = "answers",
) -> Stage:
    """The probabilities of every contestant on the reported rows."""

    def answer(folder: Path) -> Mapping[str, object]:
        record_answers(predictors(contestants), rows.texts, labels, folder, workshop.progress)
        return {}

    return workshop.do(name, _inputs(contestants, rows, labels), answer)


def clock_stage(
    workshop: Workshop,
    options: BenchmarkOptions,
    contestants: Sequence[Contestant],
    rows: Rows,
    labels: tuple[str, ...],
) -> Stage:
    """The latency of every contestant, on texts drawn from the reported rows."""

    def clock(folder: Path) -> Mapping[str, object]:
        texts = sample(rows.with_labels(None), options.texts, workshop.seed).texts
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
