"""The ladder: ways to quantise, scored and timed on rows that are not reported, the fastest good one on top.

A candidate that loses more than is allowed is tried again with the nodes in float that int8 hurts most. What is
good enough is proven, timed beside the float file and held against the limit on size; where nothing is faster
than float, float ships.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from compress.data.rows import Rows
from compress.data.stratify import sample
from compress.errors import ProofError
from compress.judge.latency import LatencyResult, measure, pilot
from compress.judge.metrics import Metric, score
from compress.judge.report import LadderRow
from compress.judge.wording import times
from compress.models.trained import Trained
from compress.progress import Progress
from compress.stage import write_json
from compress.steps.proof import prove
from export.model import OnnxModel
from export.quantize import Auto, Quantiser
from export.quantize.circumstances import Circumstances
from export.quantize.sensitivity import output_errors
from serve.bundle import TOKENIZER
from serve.inputs import Input
from serve.runtime import OnnxRuntime
from serve.threads import available_threads

FILE = "ladder.json"
QUANTIZED_FILE = "model_quantized.onnx"
FLOAT = "float"
_ROWS = 2_000  # rows that score
_TIMED_TEXTS = 200
_SENSITIVITY_TEXTS = 32
_REPAIRS = (8, 4, 2)  # one node in so many is left in float, one attempt after the other


@dataclass(frozen=True)
class Ladder:
    """What is climbed."""

    options: Auto
    float_model: OnnxModel
    trained: Trained
    rows: Rows
    metric: Metric
    seed: int
    known: Circumstances


@dataclass(frozen=True)
class Rung:
    """One way to quantise, with its file."""

    name: str
    model: OnnxModel
    score: float
    loss: float
    kept_float: tuple[str, ...] = ()
    refused: str | None = None  # why its proof failed

    @property
    def key(self) -> str:
        """Unique among the rungs."""
        return f"{self.name} {len(self.kept_float)}"


@dataclass(frozen=True)
class Climbed:
    """What came of it."""

    chosen: Rung | None  # None: the float file ships
    rows: Sequence[LadderRow]  # the float file first
    noisy: bool  # others were busy while it was timed


def climb(ladder: Ladder, folder: Path, progress: Progress) -> Climbed:
    """Try every candidate; the files lie in the folder, each beside its `parity.json` where it was proven."""
    rows = sample(ladder.rows, _ROWS, ladder.seed)
    judge = _Judge.of(ladder, rows)
    base = Rung(FLOAT, ladder.float_model, judge.float_score, 0.0)
    rungs = [base]
    for rung in _candidates(ladder, judge, folder):
        progress.say(f"  {rung.name}: {ladder.metric} {rung.score:.4f}, {rung.model.size_mb:.1f} MB")
        rungs.append(_proven(rung, ladder) if rung.loss <= ladder.options.max_loss else rung)
    good = [rung for rung in rungs if rung.loss <= ladder.options.max_loss and rung.refused is None]
    progress.say("  timing those that are good enough")
    clock = _clock(good, judge, sample(rows.with_labels(None), _TIMED_TEXTS, ladder.seed).texts, ladder)
    best = choose(rungs, clock, ladder.options)
    described = [_row(rung, clock, ladder.options, chosen=rung is best) for rung in rungs]
    return Climbed(None if best is base else best, described, clock.noisy)


def choose(rungs: Sequence[Rung], clock: LatencyResult, options: Auto) -> Rung:
    """The fastest of what was timed and is small enough; the first, the float file, where none is faster.

    Faster means that the whole interval of the speed-up over float is above 1. Where float is too large, the
    fastest of the others is taken, faster than float or not.
    """
    base, *others = rungs
    fit = [rung for rung in others if rung.key in clock.timings and not _too_large(rung, options)]
    if not _too_large(base, options):
        fit = [rung for rung in fit if clock.speedups[rung.key].ci[0] > 1]
    return max(fit, key=lambda rung: clock.speedups[rung.key].value, default=base)


def kept_float(rows: Sequence[LadderRow]) -> list[str]:
    """A sentence for people where the float file ships after all: what came nearest, and why it was left."""
    base, others = rows[:1], rows[1:]
    if not base or not base[0].chosen or not others:
        return []
    nearest = max(others, key=lambda row: (row.speedup or 0.0, -row.loss))
    return [f"kept float: {nearest.name} {nearest.why}"]


def write_ladder(folder: Path, rows: Sequence[LadderRow]) -> None:
    """Keep what was tried."""
    write_json(folder / FILE, [row.model_dump() for row in rows])


def read_ladder(folder: Path) -> list[LadderRow]:
    """What `write_ladder` kept in this folder."""
    return [LadderRow(**row) for row in json.loads((folder / FILE).read_text(encoding="utf-8"))]


def _candidates(ladder: Ladder, judge: "_Judge", folder: Path) -> Iterator[Rung]:
    """Every candidate, and those that lose too much again with sensitive nodes in float."""
    sensitive: list[str] = []
    for number, candidate in enumerate(ladder.options.candidates()):
        rung = judge.rung(candidate, ladder.known, folder / str(number))
        yield rung
        for one_in in _REPAIRS:
            if rung.loss <= ladder.options.max_loss:
                break
            sensitive = sensitive or _sensitive(ladder)
            kept = frozenset(sensitive[: max(1, len(sensitive) // one_in)])
            rung = judge.rung(
                candidate, replace(ladder.known, keep_float=kept), folder / f"{number}-{one_in}"
            )
            yield rung


def _sensitive(ladder: Ladder) -> list[str]:
    graph = onnx.load(str(ladder.float_model.path))
    return list(output_errors(graph, ladder.known.feeds[:_SENSITIVITY_TEXTS]))


def _clock(good: Sequence[Rung], judge: "_Judge", texts: Sequence[Input], ladder: Ladder) -> LatencyResult:
    """The times with all threads, and for each rung the lower of the speed-ups at one thread and at all."""
    counts = sorted({1, available_threads()})
    clocks = []
    for threads in counts:
        timed = {rung.key: judge.runtime(rung.model, threads) for rung in good}
        plan = pilot(timed, texts, budget_s=ladder.options.seconds / len(counts))
        clocks.append(measure(timed, texts, plan, reference=good[0].key, seed=ladder.seed))
    lower = {
        rung.key: min((clock.speedups[rung.key] for clock in clocks), key=lambda found: found.value)
        for rung in good
    }
    return replace(
        clocks[-1],
        speedups=lower,
        rounds=min(clock.rounds for clock in clocks),
        dropped_rounds=sum(clock.dropped_rounds for clock in clocks),
    )


def _proven(rung: Rung, ladder: Ladder) -> Rung:
    try:
        prove(rung.model, ladder.trained, ladder.rows, rung.model.path.parent)
    except ProofError as error:
        return replace(rung, refused=str(error))
    return rung


@dataclass(frozen=True)
class _Judge:
    """Scores files as they would be served."""

    trained: Trained
    float_model: OnnxModel
    texts: Sequence[Input]
    rows: Rows
    metric: Metric
    float_score: float

    @classmethod
    def of(cls, ladder: Ladder, rows: Rows) -> "_Judge":
        """On these rows; without labels, by agreement with the float file."""
        if rows.labels is not None:
            rows = rows.take(np.flatnonzero(ladder.trained.task.has_label(rows.labels)))
        judge = cls(ladder.trained, ladder.float_model, rows.texts, rows, ladder.metric, 1.0)
        answers = judge.answers(ladder.float_model)
        if rows.labels is None:
            task = ladder.trained.task
            return replace(
                judge, rows=rows.with_labels(task.as_labels(answers)), metric=task.agreement_metric
            )
        return replace(judge, float_score=judge.score(answers))

    def runtime(self, model: OnnxModel, threads: int | None = None) -> OnnxRuntime:
        """The file, answering as it would be served."""
        return OnnxRuntime.from_files(
            model.path,
            self.trained.folder / TOKENIZER,
            self.trained.labels,
            batching=model.batching,
            threads=threads,
            answering=self.trained.answering,
        )

    def answers(self, model: OnnxModel) -> NDArray[np.float64]:
        """What the task stacks of its answers, (rows, ...)."""
        return self.trained.task.stack(self.runtime(model).predict(self.texts), self.trained.labels)

    def score(self, answers: NDArray[np.float64]) -> float:
        """The metric of these answers."""
        task = self.trained.task
        gold, marks = task.gold_marks(self.metric, self.rows), task.marks(self.metric, answers, self.rows)
        return score(self.metric, gold, marks, len(self.trained.labels))

    def rung(self, quantiser: Quantiser, known: Circumstances, folder: Path) -> Rung:
        """Make the file in this folder and score it."""
        folder.mkdir(parents=True, exist_ok=True)
        model = quantiser.quantize(self.float_model, folder / QUANTIZED_FILE, known)
        found = self.score(self.answers(model))
        return Rung(quantiser.title, model, found, self.float_score - found, tuple(sorted(known.keep_float)))


def _too_large(rung: Rung, options: Auto) -> bool:
    return options.max_size_mb is not None and rung.model.size_mb > options.max_size_mb


def _row(rung: Rung, clock: LatencyResult, options: Auto, *, chosen: bool) -> LadderRow:
    timing = clock.timings.get(rung.key)
    passed = timing is not None and not _too_large(rung, options)
    return LadderRow(
        name=rung.name,
        precision=rung.model.precision,
        score=rung.score,
        loss=rung.loss,
        p50_ms=None if timing is None else timing.p50_ms,
        speedup=None if timing is None else clock.speedups[rung.key].value,
        size_mb=rung.model.size_mb,
        kept_float=list(rung.kept_float),
        status="refused" if rung.refused else "passed" if passed else "missed",
        why=_why(rung, clock, options, chosen=chosen),
        chosen=chosen,
    )


def _why(rung: Rung, clock: LatencyResult, options: Auto, *, chosen: bool) -> str:
    """As in "was 0.8 times as fast" or "lost 2.1 points"."""
    if rung.refused:
        return "does not answer as its model does"
    if rung.loss > options.max_loss:
        return f"lost {100 * rung.loss:.1f} points"
    if _too_large(rung, options):
        return f"is larger than {options.max_size_mb:g} MB"
    if rung.name == FLOAT:
        return "nothing good enough is faster" if chosen else "what the others are held against"
    speedup = clock.speedups[rung.key]
    doubt = "" if speedup.ci[0] > 1 or speedup.value <= 1 else ", which may be chance"
    doubt += ", beside busy neighbours" if clock.noisy else ""
    return f"was {times(speedup.value)} times as fast{doubt}"
