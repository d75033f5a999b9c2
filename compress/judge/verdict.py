"""From recorded answers and timings to the report with its verdict."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from compress.data.rows import Rows, Splits
from compress.judge.bootstrap import score_interval
from compress.judge.contestants import REFERENCE, Contestant
from compress.judge.fidelity import fidelity
from compress.judge.gates import Thresholds, judge, verdict
from compress.judge.latency import LatencyResult
from compress.judge.machine import machine, versions
from compress.judge.metrics import Metric
from compress.judge.other_scores import other_scores
from compress.judge.paired import PairedRuns, mcnemar_of, paired_difference, paired_p_value
from compress.judge.report import (
    MIN_CLEAN_ROUNDS,
    Baseline,
    Cascade,
    ExportForm,
    Invariance,
    LadderRow,
    ModelRow,
    Parity,
    Report,
    Shift,
    Speedup,
    Training,
)
from compress.judge.speedup import latency_rows, speedup
from compress.tasks import Task
from export.parity import ParityFinding
from serve.bundle import Batches


@dataclass(frozen=True)
class Measured:
    """What the contestants showed on the reported rows."""

    contestants: Sequence[Contestant]  # the last one ships
    probabilities: Mapping[str, NDArray[np.float64]]  # answers by contestant, as the task stacks them
    timings: Mapping[int, LatencyResult]  # by number of threads
    parity: Sequence[ParityFinding]
    invariance: Invariance | None = None
    batches: Batches | None = None
    generalization: Sequence[Shift] = ()
    baseline: str | None = None  # the contestant that learnt without a teacher
    single_teachers: Sequence[str] = ()  # contestants, where the teacher is an average of several
    exports: Sequence[ExportForm] = ()
    cascade: Cascade | None = None
    ladder: Sequence[LadderRow] = ()  # quantisers that were tried for what ships
    trainings: Sequence[Training] = ()


@dataclass(frozen=True)
class Asked:
    """What a recipe asked for, as far as a report repeats it."""

    task: Task
    metric: Metric
    thresholds: Thresholds
    seed: int
    recipe: dict[str, object]
    bundle: str
    teacher: str
    reproduce: str


def make_report(
    asked: Asked, splits: Splits, measured: Measured, notes: Sequence[str], seconds: Mapping[str, float]
) -> Report:
    """Score every contestant, judge what ships against the teacher, apply the gates."""
    shipped = measured.contestants[-1]
    gold = splits.test.labels if splits.is_labelled else None
    labels = splits.label_names or ()
    teacher_answers = measured.probabilities[REFERENCE]
    found = fidelity(
        teacher_answers,
        measured.probabilities[shipped.key],
        gold,
        asked.metric,
        seed=asked.seed,
        labels=labels,
        texts=splits.test.texts,
        task=asked.task,
    )
    fast = speedup(measured.timings, shipped.key)
    # Without labels a score says how far rows are answered as the teacher answers them.
    against = splits.test
    if gold is None:
        against = against.with_labels(asked.task.as_labels(teacher_answers))
    answer = measured.probabilities[shipped.key]
    gates = judge(asked.thresholds, found, fast, shipped.size_mb, measured.invariance)
    return Report(
        verdict=verdict(gates),
        task=asked.task.name,
        problem_type=asked.task.problem_type,
        metric=asked.metric if gold is not None else None,
        shipped=f"onnx-{shipped.precision}",
        models=[
            _row(
                contestant,
                measured,
                against,
                asked.metric if gold is not None else None,
                labels,
                asked,
            )
            for contestant in measured.contestants
        ],
        fidelity=found,
        by_teacher={
            name: fidelity(
                measured.probabilities[name],
                answer,
                gold,
                asked.metric,
                seed=asked.seed,
                texts=splits.test.texts,
                task=asked.task,
            )
            for name in measured.single_teachers
        },
        baseline=_baseline(measured, shipped, splits.test, asked, len(labels)),
        invariance=measured.invariance,
        batches=measured.batches,
        generalization=list(measured.generalization),
        cascade=measured.cascade,
        ladder=list(measured.ladder),
        speedup=fast,
        size_ratio=measured.contestants[0].size_mb / shipped.size_mb,
        gates=gates,
        parity=[_parity(finding) for finding in measured.parity],
        exports=list(measured.exports),
        trainings=list(measured.trainings),
        notes=[*notes, *_busy(fast)],
        labels=list(labels),
        rows={"train": len(splits.train), "validation": len(splits.validation), "test": len(splits.test)},
        data_digest=splits.digest(),
        recipe=asked.recipe,
        machine=machine(),
        versions=versions(),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        seconds=dict(seconds),
        bundle=asked.bundle,
        teacher=asked.teacher,
        reproduce=asked.reproduce,
    )


def _busy(fast: Speedup) -> list[str]:
    if not fast.noisy:
        return []
    return [
        f"other processes were busy while latency was measured (clean rounds: {fast.rounds}, needed: "
        f"{MIN_CLEAN_ROUNDS}), so no time here proves anything; the same command on a quiet machine measures the "
        "times again, and them alone"
    ]


def _baseline(
    measured: Measured,
    shipped: Contestant,
    rows: Rows,
    asked: Asked,
    label_count: int,
) -> Baseline | None:
    """What ships against the same student that learnt from the labels alone, on the same rows."""
    if measured.baseline is None or rows.labels is None:
        return None
    task, metric = asked.task, asked.metric
    answers = measured.probabilities[shipped.key], measured.probabilities[measured.baseline]
    gold = task.gold_marks(metric, rows)
    ours, theirs = (task.marks(metric, one, rows) for one in answers)
    gain = paired_difference(metric, gold, ours, theirs, label_count, seed=asked.seed)
    right, plainly_right = (task.right(one, rows) for one in answers)
    if right is None or plainly_right is None:
        p_value = paired_p_value(metric, PairedRuns(gold, ours[None], theirs[None]), seed=asked.seed)
        return Baseline(
            gain=gain.value, gain_ci=gain.ci, only_distilled=None, only_plain=None, p_value=p_value
        )
    test = mcnemar_of(right, plainly_right)
    return Baseline(
        gain=gain.value,
        gain_ci=gain.ci,
        only_distilled=test.only_ours,
        only_plain=test.only_theirs,
        p_value=test.p_value,
    )


def _row(
    contestant: Contestant,
    measured: Measured,
    against: Rows,
    metric: Metric | None,
    labels: Sequence[str],
    asked: Asked,
) -> ModelRow:
    """By `metric`; without one the rows' labels are the teacher's answers."""
    task, answers = asked.task, measured.probabilities[contestant.key]
    scored_by = metric or task.agreement_metric
    gold, marks = task.gold_marks(scored_by, against), task.marks(scored_by, answers, against)
    estimate = score_interval(scored_by, gold, marks, len(labels), seed=asked.seed)
    return ModelRow(
        name=contestant.name,
        runtime=contestant.runtime,
        precision=contestant.precision,
        score=estimate.value,
        score_ci=estimate.ci,
        other_scores=other_scores(task, metric, answers, against, labels) if metric else {},
        parameters=contestant.model.parameters,
        size_mb=contestant.size_mb,
        latency={"cpu": latency_rows(measured.timings, contestant.key)},
    )


def _parity(finding: ParityFinding) -> Parity:
    return Parity(
        file=finding.file,
        measure=finding.measure,
        difference=finding.difference,
        tolerance=finding.tolerance,
        texts=finding.texts,
        batch_sizes=list(finding.batch_sizes),
        lengths=list(finding.lengths),
    )
