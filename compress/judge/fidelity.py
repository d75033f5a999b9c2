"""How far a model answers as its teacher does: retention, agreement, KL and calibration."""

from collections.abc import Sequence

import numpy as np

from compress.judge.bootstrap import RESAMPLES, retention_interval, share_interval
from compress.judge.detail import BINS, alike_by_class, by_quarter, flips_by_class, reliability
from compress.judge.metrics import Floats, Ids, Metric
from compress.judge.paired import mcnemar
from compress.judge.report import Fidelity, PairedTest
from serve.inputs import Input, characters
from serve.tasks import Answer

_FLOOR = 1e-12  # the smallest probability that a logarithm is taken of


def stack_probabilities(answers: Sequence[Answer], labels: Sequence[str]) -> Floats:
    """The answers' probabilities as (rows, labels), in the order of `labels`."""
    rows = [[answer.probabilities[label] for label in labels] for answer in answers]
    return np.array(rows, dtype=np.float64).reshape(len(answers), len(labels))


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
) -> Fidelity:
    """The shipped model against its teacher, on the same rows.

    `teacher` and `shipped` are probabilities of shape (rows, labels); a row's answer is its most probable
    label. `gold` has shape (rows,), or is None for rows without labels: retention and calibration are
    then None. Retention is also None where the teacher's score is not above 0. With the names of the `labels`
    flips are told by class, with the `texts` agreement is told by length. Raises ValueError where the shapes
    differ or there are no rows.
    """
    if teacher.shape != shipped.shape or teacher.ndim != 2 or not len(teacher):
        raise ValueError(f"expected two arrays of shape (rows, labels), got {teacher.shape}, {shipped.shape}")
    teacher_answers, shipped_answers = teacher.argmax(axis=1), shipped.argmax(axis=1)
    same = teacher_answers == shipped_answers
    agreement = share_interval(int(same.sum()), len(teacher))
    retention = None
    if gold is not None:
        retention = retention_interval(
            metric,
            gold,
            shipped_answers,
            teacher_answers,
            teacher.shape[1],
            seed=seed,
            resamples=resamples,
        )
    return Fidelity(
        rows=len(teacher),
        retention=retention.value if retention else None,
        retention_ci=retention.ci if retention else None,
        agreement=agreement.value,
        agreement_ci=agreement.ci,
        kl=mean_kl(teacher, shipped),
        ece_teacher=None if gold is None else calibration_error(teacher, gold),
        ece_student=None if gold is None else calibration_error(shipped, gold),
        mcnemar=None if gold is None else _paired_test(gold, teacher_answers, shipped_answers),
        flips=flips_by_class(teacher_answers, shipped_answers, labels) if labels else [],
        alike=alike_by_class(teacher_answers, shipped_answers, labels) if labels else {},
        by_length=by_quarter(np.array([characters(asked) for asked in texts]), same) if texts else [],
        by_confidence=by_quarter(teacher.max(axis=1), same),
        reliability_teacher=[] if gold is None else reliability(teacher, gold),
        reliability_student=[] if gold is None else reliability(shipped, gold),
    )


def _paired_test(gold: Ids, teacher: Ids, shipped: Ids) -> PairedTest:
    test = mcnemar(gold, shipped, teacher)
    return PairedTest(only_teacher=test.only_theirs, only_shipped=test.only_ours, p_value=test.p_value)


def mean_kl(teacher: Floats, student: Floats) -> float:
    """The mean over rows of KL(teacher || student) in nats; both are probabilities, (rows, labels).

    Probabilities below 1e-12 count as 1e-12 in the logarithm, so a student that is certain and wrong costs
    at most 27.6 nats and not infinity.
    """
    ratio = np.log(np.maximum(teacher, _FLOOR)) - np.log(np.maximum(student, _FLOOR))
    return max(0.0, float((teacher * ratio).sum(axis=1).mean()))


def calibration_error(probabilities: Floats, gold: Ids, bins: int = BINS) -> float:
    """Expected calibration error, 0 to 1: how far confidence is from accuracy, on average over rows.

    Over the bins of `reliability` (Guo et al. 2017, equation 3). `probabilities` has shape (rows, labels),
    `gold` (rows,).
    """
    gaps = [
        part.rows * abs(part.accuracy - part.confidence) for part in reliability(probabilities, gold, bins)
    ]
    return sum(gaps) / len(gold)
