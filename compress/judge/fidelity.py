"""How far a model answers as its teacher does: retention, agreement, KL and calibration."""

from collections.abc import Sequence

import numpy as np

from compress.data.rows import Rows
from compress.judge.bootstrap import RESAMPLES, retention_interval, share_interval
from compress.judge.detail import by_quarter, calibration_error, expected_calibration_error, mean_kl
from compress.judge.metrics import Floats, Ids, Metric
from compress.judge.paired import mcnemar_of
from compress.judge.report import Fidelity, PairedTest
from compress.tasks import SINGLE_LABEL, Task
from serve.inputs import Input, characters
from serve.tasks import Answer

_NUMBERS = 400  # rows whose numbers are kept, to be drawn

__all__ = ["calibration_error", "fidelity", "mean_kl", "stack_probabilities"]


def stack_probabilities(answers: Sequence[Answer], labels: Sequence[str]) -> Floats:
    """The answers' probabilities as (rows, labels), in the order of `labels`."""
    return SINGLE_LABEL.stack(answers, labels)


def fidelity(
    teacher: Floats,
    shipped: Floats,
    gold: Ids | None,
    metric: Metric,
    *,
    seed: int,
    resamples: int = RESAMPLES,
    labels: Sequence[str] = (),
    texts: Sequence[Input] = (),
    task: Task = SINGLE_LABEL,
) -> Fidelity:
    """The shipped model against its teacher, on the same rows.

    `teacher` and `shipped` are what the task stacks of answers, (rows, ...); `gold` are its labels, (rows, ...), or
    None for rows without: retention and calibration are then None. Retention is also None where the teacher's score
    is not above 0. With the names of the `labels` flips are told by class, with the `texts` agreement is told by
    length. Raises ValueError where the numbers of rows differ or there are none.
    """
    if len(teacher) != len(shipped) or not len(teacher):
        raise ValueError(f"expected two arrays of shape (rows, labels), got {teacher.shape}, {shipped.shape}")
    rows = Rows(texts or [""] * len(teacher), gold)
    same = task.same(teacher, shipped)
    agreement = share_interval(int(same.sum()), len(teacher))
    retention = None
    if gold is not None:
        retention = retention_interval(
            metric,
            task.gold_marks(metric, rows),
            task.marks(metric, shipped, rows),
            task.marks(metric, teacher, rows),
            max(1, len(labels), teacher.shape[1]),
            seed=seed,
            resamples=resamples,
        )
    flips, alike = task.flips(teacher, shipped, labels) if labels else ([], {})
    confidence = task.confidence(teacher)
    reliable = [task.reliability(answers, rows) if gold is not None else [] for answers in (teacher, shipped)]
    return Fidelity(
        rows=len(teacher),
        retention=retention.value if retention else None,
        retention_ci=retention.ci if retention else None,
        agreement=agreement.value,
        agreement_ci=agreement.ci,
        kl=task.divergence(teacher, shipped),
        correlation=task.correlation(teacher, shipped),
        likeness=task.likeness(teacher, shipped),
        ece_teacher=expected_calibration_error(reliable[0]),
        ece_student=expected_calibration_error(reliable[1]),
        mcnemar=None if gold is None else _paired_test(task, rows, teacher, shipped),
        flips=flips,
        alike=alike,
        flips_of=task.flips_of,
        by_length=by_quarter(np.array([characters(asked) for asked in texts]), same) if texts else [],
        by_confidence=[] if confidence is None else by_quarter(confidence, same),
        reliability_teacher=reliable[0],
        reliability_student=reliable[1],
        numbers=_numbers(task, gold, teacher, shipped),
        has_labels=gold is not None,
    )


def _numbers(
    task: Task, gold: Ids | None, teacher: Floats, shipped: Floats
) -> list[tuple[float | None, float, float]]:
    """Some rows' numbers, spread over all of them; nothing where answers are none."""
    theirs, ours = task.numbers(teacher), task.numbers(shipped)
    if theirs is None or ours is None:
        return []
    known = np.full(len(theirs), np.nan) if gold is None else gold.astype(np.float64)
    every = -(-len(theirs) // _NUMBERS)
    return [
        (None if np.isnan(right) else float(f"{right:.5g}"), float(f"{one:.5g}"), float(f"{other:.5g}"))
        for right, one, other in zip(known[::every], theirs[::every], ours[::every], strict=True)
    ]


def _paired_test(task: Task, rows: Rows, teacher: Floats, shipped: Floats) -> PairedTest | None:
    ours, theirs = task.right(shipped, rows), task.right(teacher, rows)
    if ours is None or theirs is None:
        return None
    test = mcnemar_of(ours, theirs)
    return PairedTest(only_teacher=test.only_theirs, only_shipped=test.only_ours, p_value=test.p_value)
