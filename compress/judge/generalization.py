"""Whether the student holds beyond its test rows where the teacher does: changed texts, and files from elsewhere.

It costs what it costs for at most 500 test rows, each changed in three ways, and 1,000 rows of each file. No
gate rests on it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from compress.data.rows import Rows
from compress.judge.bootstrap import Estimate, score_interval, share_interval
from compress.judge.metrics import Floats, Ids, Metric
from compress.judge.paired import paired_difference
from compress.judge.perturb import PERTURBATIONS, perturb
from compress.judge.report import Held, Shift
from compress.tasks import SINGLE_LABEL, Task

ROWS = 500  # of the reported rows
FILE_ROWS = 1_000  # of each further file


@dataclass(frozen=True)
class Changed:
    """Rows to answer besides the reported ones."""

    name: str
    kind: Literal["perturbed", "file"]
    rows: Rows
    places: NDArray[np.int64] | None  # of the reported rows that they are made of; None for a file
    test: Rows | None = None  # the reported rows


class Answers(NamedTuple):
    """What the task stacks of answers, (rows, ...), of both on the same rows."""

    teacher: Floats
    shipped: Floats


def changed_rows(
    test: Rows, files: Mapping[str, Rows], seed: int, perturbations: Sequence[str] = tuple(PERTURBATIONS)
) -> list[Changed]:
    """The reported rows (some of them, where there are many) changed in every way, then the files' rows."""
    places = test.drawn(ROWS, seed)
    some = test.take(places)
    perturbed = [
        Changed(kind, "perturbed", Rows(perturb(kind, some.texts, seed), some.labels), places, test)
        for kind in perturbations
    ]
    return perturbed + [
        Changed(name, "file", rows.take(rows.drawn(FILE_ROWS, seed)), None, test)
        for name, rows in files.items()
    ]


def shift(
    changed: Changed,
    found: Answers,
    test: Answers,
    gold: Ids | None,
    metric: Metric,
    seed: int,
    task: Task = SINGLE_LABEL,
) -> Shift:
    """Both models on the changed rows, and how far each falls from its score on the reported ones.

    `found` are the answers to the changed rows, `test` and `gold` those to all reported rows. The rows that a
    text was changed in are compared with themselves; a file has other rows, so its drop is from the score on
    all reported rows, with the interval of two independent samples.
    """
    apart = share_interval(int(task.same(found.teacher, found.shipped).sum()), len(changed.rows))
    held: list[Held | None] = [None, None]
    if gold is not None and changed.rows.labels is not None:
        held = [
            _held(changed, now, before, gold, metric, seed, task)
            for now, before in zip(found, test, strict=True)
        ]
    return Shift(
        name=changed.name,
        kind=changed.kind,
        rows=len(changed.rows),
        teacher=held[0],
        shipped=held[1],
        agreement=apart.value,
        agreement_ci=apart.ci,
    )


def unpaired_difference(one: Estimate, other: Estimate) -> Estimate:
    """`one` less `other`, of independent samples, from the interval of each.

    The square-and-add interval (Newcombe 1998, "Interval estimation for the difference between independent
    proportions", method 10; for any two estimates Zou and Donner 2008).
    """
    value = one.value - other.value
    low = value - sqrt((one.value - one.ci[0]) ** 2 + (other.ci[1] - other.value) ** 2)
    high = value + sqrt((one.ci[1] - one.value) ** 2 + (other.value - other.ci[0]) ** 2)
    return Estimate(value, (low, high))


def _held(
    changed: Changed, now: Floats, before: Floats, gold: Ids, metric: Metric, seed: int, task: Task
) -> Held:
    labels = now.shape[1]
    truth, answers = task.gold_marks(metric, changed.rows), task.marks(metric, now, changed.rows)
    score = score_interval(metric, truth, answers, labels, seed=seed)
    if changed.places is None:
        test = Rows([""] * len(gold), gold) if changed.test is None else changed.test
        marks = task.gold_marks(metric, test), task.marks(metric, before, test)
        drop = unpaired_difference(score_interval(metric, *marks, labels, seed=seed), score)
    else:
        unchanged = task.marks(metric, before[changed.places], changed.rows)
        drop = paired_difference(metric, truth, unchanged, answers, labels, seed=seed)
    return Held(score=score.value, score_ci=score.ci, drop=drop.value, drop_ci=drop.ci)


def together(changed: Sequence[Changed]) -> Rows:
    """All of their texts in one list, to be answered in one go."""
    return Rows([text for one in changed for text in one.rows.texts], None)
