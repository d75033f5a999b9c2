"""Timing the contestants at one thread and at all, and keeping what was measured."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import torch

from compress.judge.bootstrap import Estimate
from compress.judge.contestants import REFERENCE, Contestant, predictors
from compress.judge.latency import LatencyResult, Plan, Timing, measure, pilot
from compress.progress import Progress
from compress.recipe import BenchmarkOptions
from compress.stage import write_json
from serve.inputs import Input
from serve.predictor import Predictor
from serve.threads import available_threads

FILE = "latency.json"


def time_contestants(
    contestants: Sequence[Contestant],
    texts: Sequence[Input],
    options: BenchmarkOptions,
    seed: int,
    folder: Path,
    progress: Progress,
) -> dict[int, LatencyResult]:
    """Interleaved rounds for each thread count, written to the folder."""
    most = available_threads() if options.threads == "auto" else options.threads
    before = torch.get_num_threads()
    results: dict[int, LatencyResult] = {}
    try:
        for threads in sorted({1, most}):
            lined_up = predictors(contestants, threads)
            plan = pilot(lined_up, texts, budget_s=options.seconds)
            results[threads] = _with_bar(lined_up, texts, plan, threads, seed, progress)
    finally:
        torch.set_num_threads(before)
    write_json(folder / FILE, {str(threads): asdict(result) for threads, result in results.items()})
    return results


def read_timings(folder: Path) -> dict[int, LatencyResult]:
    """What `time_contestants` wrote."""
    document = json.loads((folder / FILE).read_text(encoding="utf-8"))
    return {
        int(threads): LatencyResult(
            timings={name: Timing(**values) for name, values in result["timings"].items()},
            speedups={
                name: Estimate(values["value"], tuple(values["ci"]))
                for name, values in result["speedups"].items()
            },
            rounds=result["rounds"],
            dropped_rounds=result["dropped_rounds"],
        )
        for threads, result in document.items()
    }


def _with_bar(
    lined_up: Mapping[str, Predictor],
    texts: Sequence[Input],
    plan: Plan,
    threads: int,
    seed: int,
    progress: Progress,
) -> LatencyResult:
    """One measurement; the bar moves with the clean rounds."""
    with progress.bar(f"latency at {threads} thread{'s' * (threads > 1)}", plan.rounds) as advance:
        shown = 0

        def moved(clean: int, _: int) -> None:
            nonlocal shown
            advance(clean - shown)
            shown = clean

        return measure(lined_up, texts, plan, reference=REFERENCE, seed=seed, progress=moved)
