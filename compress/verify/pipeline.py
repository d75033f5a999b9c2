"""The story of a verification, from a bundle to its verdict: read `verify_bundle` from top to bottom."""

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from compress.data.rows import Rows
from compress.judge.answers import CHUNK
from compress.judge.bootstrap import Estimate, score_interval
from compress.judge.fidelity import fidelity
from compress.judge.gates import Thresholds, judge, verdict
from compress.judge.invariance import ROWS, invariance
from compress.judge.latency import LatencyResult, measure, pilot
from compress.judge.machine import machine, versions
from compress.judge.metrics import Floats, Metric
from compress.judge.report import Fidelity, Gate, Invariance, Report, Status
from compress.judge.speedup import latency_rows
from compress.judge.wording import shipped_row
from compress.progress import Progress
from compress.tasks import Task, task_named
from compress.verify.document import NotMeasured, Verification
from compress.verify.evidence import Evidence, read_evidence, read_report, task_score
from compress.verify.labelled_file import read_labelled_file
from serve.bundle import Bundle, read
from serve.errors import BundleError
from serve.inputs import Input
from serve.runtime import OnnxRuntime
from serve.tasks import Answer
from serve.threads import available_threads

SECONDS = 10.0  # of timing, for each number of threads
_SHIPPED = "shipped"


class _Asked(NamedTuple):
    """What the recipe in the report asked for."""

    metric: Metric
    thresholds: Thresholds
    seed: int
    task: Task


def verify_bundle(
    folder: Path, data: Path | None, progress: Progress, *, seconds: float = SECONDS
) -> Verification:
    """Judge the file that ships again, here, by the bundle's own rows or those of `data`.

    Timing takes about `seconds` for each of two numbers of threads. Raises `BundleError` where the bundle is not
    what its manifest and its report say, and `InputError` for a file that cannot be read.
    """
    bundle = read(folder)
    report = read_report(bundle)
    asked = _asked(report, bundle)
    labels = bundle.manifest.labels
    if data is None:
        evidence = read_evidence(bundle, report, asked.metric, asked.task)
    else:
        evidence = read_labelled_file(
            data,
            labels,
            report.recipe,
            pairs=bundle.manifest.text_pair or bundle.manifest.answering.READS_EACH,
            task=asked.task,
        )

    answers = _answers(OnnxRuntime(bundle), evidence.texts, labels, progress, asked.task)
    found = None
    if evidence.teacher is not None:
        found = fidelity(
            evidence.teacher,
            answers,
            evidence.gold,
            asked.metric,
            seed=asked.seed,
            labels=labels,
            texts=evidence.texts,
            task=asked.task,
        )
    rows = Rows(evidence.texts, evidence.gold)
    drawn = rows.take(rows.drawn(ROWS, asked.seed)).texts
    progress.say(f"{len(drawn):,} texts alone and in company ...")
    invariant = invariance(
        lambda threads: OnnxRuntime(bundle, threads),
        None if bundle.manifest.batching == "batch" else lambda threads: _in_true_batches(bundle, threads),
        drawn,
        labels,
        seed=asked.seed,
        task=asked.task,
    )
    alone = bundle.manifest.answering.singly(drawn)
    timings = _timings(bundle, alone, seconds, asked.seed, progress)
    size_mb = bundle.model_path.stat().st_size / 1e6
    gates, not_measured = _gates(asked.thresholds, found, invariant, size_mb)
    scored = _score(evidence, answers, asked)
    reported = _reported_score(report) if data is None and scored else None
    return Verification(
        verdict=_verdict(gates, not_measured),
        bundle=str(folder),
        name=bundle.manifest.name,
        shipped=report.shipped,
        size_mb=size_mb,
        rows_from=evidence.source,
        rows=len(evidence.texts),
        metric=asked.metric,
        score=scored.value if scored else None,
        score_ci=scored.ci if scored else None,
        teacher_score=_teacher_score(evidence, asked),
        reported_score=reported,
        fidelity=found,
        invariance=invariant,
        latency=latency_rows(timings, _SHIPPED),
        clean_rounds=min(result.rounds for result in timings.values()),
        gates=gates,
        not_measured=not_measured,
        notes=_notes(evidence, scored, reported, timings),
        machine=machine(),
        reported_on=report.machine.processor,
        versions=versions(),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _asked(report: Report, bundle: Bundle) -> _Asked:
    """Metric, thresholds and seed of the recipe; raises `BundleError` for what this version does not know."""
    recipe = report.recipe
    task = _task(report, bundle)
    metric, gates, seed = (
        recipe.get("metric", task.metrics[0]),
        recipe.get("gates", {}),
        recipe.get("seed", 0),
    )
    known = {field.name for field in fields(Thresholds)}
    unknown = [str(name) for name in gates if name not in known] if isinstance(gates, Mapping) else ["gates"]
    if metric not in task.metrics or unknown or not isinstance(gates, Mapping) or not isinstance(seed, int):
        raise BundleError(
            f"the recipe in {bundle.folder}/report.json asks for {', '.join(unknown) or f'metric {metric}'}",
            f"a metric among {', '.join(task.metrics)} and gates among {', '.join(sorted(known))}",
            "install the version of compress-toolchain that made the bundle",
        )
    return _Asked(str(metric), Thresholds(**gates), seed, task)


def _task(report: Report, bundle: Bundle) -> Task:
    """What the model was trained for, with what its answers are held against; raises `BundleError`."""
    try:
        task = task_named(report.task, report.problem_type).answered_by(bundle.manifest.answering)
        return task.for_labels(bundle.manifest.labels)
    except KeyError as unknown:
        raise BundleError(
            f"{bundle.folder}/report.json is of the task {unknown.args[0]}",
            "a task that this version knows",
            "install the version of compress-toolchain that made the bundle",
        ) from None


def _answers(
    runtime: OnnxRuntime, texts: Sequence[Input], labels: Sequence[str], progress: Progress, task: Task
) -> Floats:
    """What the task stacks of the answers, (rows, ...), through the runtime that serves."""
    answers: list[Answer] = []
    with progress.bar("answers", len(texts)) as advance:
        for start in range(0, len(texts), CHUNK):
            chunk = texts[start : start + CHUNK]
            answers += runtime.predict(chunk)
            advance(len(chunk))
    return task.stack(answers, labels)


def _in_true_batches(bundle: Bundle, threads: int) -> OnnxRuntime:
    return OnnxRuntime.from_files(
        bundle.model_path,
        bundle.tokenizer_path,
        bundle.manifest.labels,
        batching="batch",
        threads=threads,
        answering=bundle.manifest.answering,
    )


def _timings(
    bundle: Bundle, texts: Sequence[Input], seconds: float, seed: int, progress: Progress
) -> dict[int, LatencyResult]:
    """The file that ships with one thread and with all, alone on the machine as far as it is."""
    timings = {}
    for threads in sorted({1, available_threads()}):
        progress.say(f"latency at {threads} thread{'s' * (threads > 1)} ...")
        contestant = {_SHIPPED: OnnxRuntime(bundle, threads)}
        plan = pilot(contestant, texts, budget_s=seconds)
        timings[threads] = measure(contestant, texts, plan, reference=_SHIPPED, seed=seed)
    return timings


def _gates(
    thresholds: Thresholds, found: Fidelity | None, invariant: Invariance, size_mb: float
) -> tuple[list[Gate], list[NotMeasured]]:
    """The recipe's gates by what was measured, and those of which nothing can be said here."""
    beyond = {"min_speedup": "it is against the teacher in PyTorch, which is not here"}
    if found is None:
        why = "the rows come without the teacher's answers"
        beyond |= {"min_retention": why, "min_agreement": why}
    asked = {name: getattr(thresholds, name) for name in beyond}
    not_measured = [
        NotMeasured(name=name, threshold=asked[name], why=why)
        for name, why in beyond.items()
        if asked[name] is not None
    ]
    measurable = replace(thresholds, **dict.fromkeys(beyond))
    return judge(measurable, found, None, size_mb, invariant), not_measured


def _verdict(gates: Sequence[Gate], not_measured: Sequence[NotMeasured]) -> Status:
    """That of the gates that could be measured; where there were gates and none could, nothing was proven."""
    return "inconclusive" if not_measured and not gates else verdict(gates)


def _score(evidence: Evidence, answers: Floats, asked: _Asked) -> Estimate | None:
    if evidence.gold is None:
        return None
    gold = asked.task.gold_marks(asked.metric, evidence.rows)
    marks = asked.task.marks(asked.metric, answers, evidence.rows)
    return score_interval(asked.metric, gold, marks, answers.shape[1], seed=asked.seed)


def _teacher_score(evidence: Evidence, asked: _Asked) -> float | None:
    if evidence.gold is None or evidence.teacher is None:
        return None
    return task_score(asked.task, asked.metric, evidence.rows, evidence.teacher)


def _reported_score(report: Report) -> float | None:
    row = shipped_row(report)
    return row.score if row else None


def _notes(
    evidence: Evidence,
    scored: Estimate | None,
    reported: float | None,
    timings: Mapping[int, LatencyResult],
) -> list[str]:
    notes = []
    if evidence.gold is None:
        notes.append(
            f"not every row of {evidence.source} has a label: no score, no retention, no calibration"
        )
    if evidence.teacher is None:
        notes.append(f"{evidence.source} holds no answers of the teacher: no retention, no agreement, no KL")
    if scored and reported is not None and abs(scored.value - reported) > 1e-9:
        notes.append(
            f"the same file on the same rows scored {reported:.4f} where it was made and {scored.value:.4f} here: "
            "this machine computes otherwise"
        )
    if any(result.noisy for result in timings.values()):
        notes.append(
            "other processes were busy while latency was measured: look at it again on a quiet machine"
        )
    return notes
