"""The story of a measurement: every model opened with the same threads, timed in turns, started cold."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from compress.bench.cold import cold_start
from compress.bench.contenders import Answerer, Contender, contenders
from compress.bench.document import AS_THEY_COME, Bench, Cell, Model
from compress.bench.figures import quantiles, ratio
from compress.bench.rounds import Draw, Measured, measure
from compress.bench.texts import asked_in_pairs, bundle_texts, drawn, file_texts, texts_of_length
from compress.judge.machine import machine, versions
from compress.progress import Progress
from serve.bundle import read
from serve.device import Device
from serve.errors import UserError
from serve.inputs import Input
from serve.threads import available_threads

SEED = 13
OF_A_LENGTH = 64  # different texts of each fixed length


@dataclass(frozen=True)
class Asked:
    """What is to be measured."""

    bundle: str
    against: Sequence[str]
    batch_sizes: Sequence[int]
    lengths: Sequence[int]  # empty: texts as they come
    texts: Path | None  # None: the bundle's own rows
    threads: Sequence[int]  # empty: one, and as many as there are
    seconds: float  # for each combination, on a quiet machine
    reproduce: str
    device: Device = "cpu"


def run_bench(asked: Asked, progress: Progress) -> Bench:
    """Measure everything; raises `UserError` for what cannot be opened, before anything is timed."""
    names = [asked.bundle, *asked.against]
    if len(set(names)) < len(names):
        raise UserError(f"{', '.join(names)}", "different models", "name each once")
    kinds = _kinds_of_texts(asked)
    like = read(asked.bundle).manifest.answering
    lined_up = [one for name in names for one in contenders(name, asked.device, like)]
    _require_one_task(lined_up)
    every = {1, available_threads()} if asked.device == "cpu" else {available_threads()}
    threads = list(asked.threads) or sorted(every)
    cells = []
    for count in threads:
        opened = {one.title: one.opened(count) for one in lined_up}
        for kind, texts in kinds.items():
            tokens = _mean_tokens(opened[asked.bundle], texts)
            for batch in asked.batch_sizes:
                title = f"{count} thread{'s' * (count > 1)}, {batch} x {kind}"
                measured = _timed(opened, _drawer(texts, batch), asked.seconds, title, progress)
                cells += _cells(measured, asked.bundle, count, batch, kind, tokens)
    return Bench(
        models=_models(lined_up, asked.device, progress),
        cells=cells,
        device=asked.device,
        machine=machine(),
        versions=versions(),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        reproduce=asked.reproduce,
    )


def _require_one_task(lined_up: Sequence[Contender]) -> None:
    first = lined_up[0]
    for other in lined_up[1:]:
        if other.task != first.task:
            raise UserError(
                f"{other.name} answers {other.task}, and {first.name} answers {first.task}",
                "models of one task: only of those does a ratio of times say anything",
                "leave it out, or bench each by itself",
            )


def _kinds_of_texts(asked: Asked) -> dict[str, list[Input]]:
    bundle = read(asked.bundle)
    if asked.texts is not None and asked_in_pairs(bundle.manifest) and not asked.lengths:
        raise UserError(
            f"--texts {asked.texts} holds single texts, and {asked.bundle} is asked two at a time",
            "pairs of texts",
            "leave --texts out to time the bundle's own rows, or give --lengths too to make pairs of the words",
        )
    source: Sequence[Input] = bundle_texts(bundle) if asked.texts is None else file_texts(asked.texts)
    texts = drawn(source, SEED)
    if not asked.lengths:
        return {AS_THEY_COME: texts}
    return {
        f"{length} tokens": texts_of_length(texts, bundle, length, OF_A_LENGTH) for length in asked.lengths
    }


def _drawer(texts: Sequence[Input], batch: int) -> Draw:
    def draw(random: np.random.Generator) -> list[Input]:
        return [texts[int(row)] for row in random.integers(len(texts), size=batch)]

    return draw


def _mean_tokens(answerer: Answerer, texts: Sequence[Input]) -> float:
    return float(np.mean([len(encoding.ids) for encoding in answerer.tokens(texts)]))


def _timed(
    opened: Mapping[str, Answerer], draw: Draw, seconds: float, title: str, progress: Progress
) -> Measured:
    shown = 0
    with progress.bar(title, 100) as advance:

        def moved(clean: int, planned: int) -> None:
            nonlocal shown
            now = 100 * clean // planned
            advance(now - shown)
            shown = now

        return measure(opened, draw, budget_s=seconds, seed=SEED, progress=moved)


def _cells(
    measured: Measured, reference: str, threads: int, batch: int, kind: str, tokens: float
) -> list[Cell]:
    found = []
    for name, times in measured.times.items():
        p50, p90, p95, p99 = quantiles(times.whole_ms, SEED)
        times_as_slow, interval = ratio(times.whole_ms, measured.times[reference].whole_ms, SEED)
        found.append(
            Cell(
                model=name,
                threads=threads,
                batch=batch,
                texts=kind,
                tokens=tokens,
                p50=p50,
                p90=p90,
                p95=p95,
                p99=p99,
                model_p50=quantiles(times.model_ms, SEED)[0],
                texts_per_second=1000 * batch / float(times.whole_ms.mean()),
                ratio=times_as_slow,
                ratio_ci=interval,
                calls=times.whole_ms.size,
                rounds=measured.rounds,
                dropped_rounds=measured.dropped_rounds,
                noisy=measured.noisy,
            )
        )
    return found


def _models(lined_up: Sequence[Contender], device: Device, progress: Progress) -> list[Model]:
    models = []
    with progress.bar("cold starts", len(lined_up)) as advance:
        for number, one in enumerate(lined_up):
            cold = cold_start(one.name, device, one.precision, lined_up[0].name)
            models.append(
                Model(
                    name=one.title,
                    runtime=one.runtime,
                    precision=one.precision,
                    size_mb=one.size_mb,
                    cold_start_s=cold.seconds,
                    peak_memory_mb=cold.peak_memory_mb,
                    reference=number == 0,
                )
            )
            advance(1)
    return models
