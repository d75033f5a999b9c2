"""From the recorded answers of every method and seed to the comparison with its verdict."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from compress.compare.document import (
    FLOOR,
    KINDS,
    PLAIN,
    TEACHER,
    Comparison,
    Gain,
    MethodRow,
    SeedRow,
    Student,
)
from compress.compare.wording import Contest, sentence
from compress.data.rows import Rows
from compress.judge.bootstrap import Estimate, score_interval
from compress.judge.detail import expected_calibration_error
from compress.judge.machine import machine, versions
from compress.judge.metrics import Floats, Ids, Metric
from compress.judge.paired import McNemar, PairedRuns, mcnemar_of, paired_p_value, pooled_difference
from compress.judge.pooled import label_count_of, pooled_retention, pooled_score
from compress.tasks import SINGLE_LABEL, Task

__all__ = [
    "FLOOR",
    "PLAIN",
    "TEACHER",
    "Comparison",
    "Gain",
    "MethodRow",
    "SeedRow",
    "Setting",
    "Student",
    "StudentRun",
    "compare_rows",
]


@dataclass(frozen=True)
class StudentRun:
    """What one model answered on the reported rows: a method with a seed, the teacher or the floor."""

    method: str  # TEACHER, PLAIN, FLOOR or a method's name
    seed: int
    predicted: Ids  # marks of its answers for the metric: label ids, (rows,), or as the task has them
    probabilities: Floats | None = None  # its answers, as the task stacks them; None for the floor
    selection_score: float | None = None
    training_seconds: float | None = None
    learning_rate: float | None = None
    file: str | None = None


@dataclass(frozen=True)
class Setting:
    """What all runs of a comparison have in common."""

    task: str
    metric: Metric
    seed: int  # of the resampling
    student: Student
    precision: str
    labels: Sequence[str]
    rows: Mapping[str, int]
    data_digest: str
    recipe: Mapping[str, object]
    reproduce: str
    notes: Sequence[str] = field(default=())
    judged: Task = SINGLE_LABEL


def compare_rows(
    runs: Sequence[StudentRun], gold: Ids | None, setting: Setting, test: Rows | None = None
) -> Comparison:
    """Score every method over its seeds and hold it against the plain student on the same rows.

    `gold` are the rows' marks for the metric, label ids (rows,) or as the task has them, or None for rows without
    labels: a score is then the agreement with the teacher. `test` are the rows, which some tasks look at. Methods
    keep the order in which they come. `best` and the method that `helped` speaks of are chosen by the mean
    selection score alone, the plain student or the earlier one of equals. Raises ValueError where a method has a
    seed twice, where answers do not fit the rows, or without any student; without gold labels also where there is
    no teacher.
    """
    judge = _Judge(runs, gold, setting, test)
    rows = [judge.row(name) for name in judge.names]
    helped, winner = _helped(rows)
    return Comparison(
        helped=helped,
        sentence=sentence(helped, winner, _contests(rows), judge.metric, len(judge.gold)),
        best=_best([row for row in rows if row.kind in {"plain", "distilled"}]),
        task=setting.task,
        metric=setting.metric if gold is not None else None,
        methods=rows,
        student=setting.student,
        precision=setting.precision,
        notes=list(setting.notes),
        labels=list(setting.labels),
        rows=dict(setting.rows),
        data_digest=setting.data_digest,
        recipe=dict(setting.recipe),
        machine=machine(),
        versions=versions(),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        reproduce=setting.reproduce,
    )


class _Judge:
    """The runs by method, and what they are held against."""

    def __init__(
        self, runs: Sequence[StudentRun], gold: Ids | None, setting: Setting, test: Rows | None
    ) -> None:
        self.task = setting.judged
        self.by_name: dict[str, list[StudentRun]] = {}
        for run in runs:
            self.by_name.setdefault(run.method, []).append(run)
        self.names = sorted(self.by_name, key=_place)
        self.teacher = self.by_name[TEACHER][0] if TEACHER in self.by_name else None
        if gold is None and self.teacher is None:
            raise ValueError("without labels the answers are held against the teacher's, and it has none")
        self.has_labels = gold is not None
        # Without labels a score says how far rows are answered as the teacher answers them.
        self.gold: Ids = gold if gold is not None else self.by_name[TEACHER][0].predicted
        self.metric: Metric = setting.metric if self.has_labels else self.task.agreement_metric
        self.rows = test if test is not None else Rows([""] * len(self.gold), gold)
        self.seed = setting.seed
        _check(self.by_name, len(self.gold))

    def row(self, name: str) -> MethodRow:
        """A method over its seeds."""
        runs = self.by_name[name]
        kind = KINDS.get(name, "distilled")
        predicted = np.stack([run.predicted for run in runs])
        found = pooled_score(self.metric, self.gold, predicted, seed=self.seed)
        teacher = self.teacher.predicted if self.teacher is not None and kind != "teacher" else None
        agreement = None if teacher is None else self._agreement(runs, teacher)
        retention = None
        if teacher is not None and self.has_labels:
            retention = pooled_retention(self.metric, self.gold, predicted, teacher, seed=self.seed)
        return MethodRow(
            name=name,
            kind=kind,
            seeds=[self._seed_row(run) for run in runs],
            selection_score=_mean([run.selection_score for run in runs]),
            score=found.value,
            score_ci=found.ci,
            agreement=agreement.value if agreement else None,
            agreement_ci=agreement.ci if agreement else None,
            retention=retention.value if retention else None,
            retention_ci=retention.ci if retention else None,
            gain=self._gain(name) if kind == "distilled" else None,
            training_seconds=_sum([run.training_seconds for run in runs]),
        )

    def _agreement(self, runs: Sequence[StudentRun], teacher: Ids) -> Estimate | None:
        """The share of rows that are answered as the teacher does, over the seeds."""
        if self.task.answers_as.ONE_LABEL:
            return pooled_score(
                "accuracy", teacher, np.stack([run.predicted for run in runs]), seed=self.seed
            )
        alike = [self._same(run) for run in runs]
        known = [one.astype(np.int64) for one in alike if one is not None]
        if len(known) < len(runs):
            return None
        return pooled_score("accuracy", np.ones_like(known[0]), np.stack(known), seed=self.seed)

    def _same(self, run: StudentRun) -> NDArray[np.bool_] | None:
        """Which rows it answers as the teacher does."""
        teacher = self.teacher
        if self.task.answers_as.ONE_LABEL:
            return None if teacher is None else np.asarray(run.predicted == teacher.predicted)
        if teacher is None or teacher.probabilities is None or run.probabilities is None:
            return None
        return self.task.same(teacher.probabilities, run.probabilities)

    def _seed_row(self, run: StudentRun) -> SeedRow:
        label_count = label_count_of(self.gold, run.predicted)
        found = score_interval(self.metric, self.gold, run.predicted, label_count, seed=self.seed)
        teacher = None if run.method == TEACHER else self.teacher
        probabilities = run.probabilities
        kl = None
        if probabilities is not None and teacher is not None and teacher.probabilities is not None:
            kl = self.task.divergence(teacher.probabilities, probabilities)
        same = None if teacher is None else self._same(run)
        reliable = [] if probabilities is None else self.task.reliability(probabilities, self.rows)
        return SeedRow(
            seed=run.seed,
            selection_score=run.selection_score,
            score=found.value,
            score_ci=found.ci,
            agreement=None if same is None else float(same.mean()),
            kl=kl,
            ece=expected_calibration_error(reliable) if self.has_labels else None,
            training_seconds=run.training_seconds,
            learning_rate=run.learning_rate,
            predicted_sha256=_digest(run.predicted),
            file=run.file,
        )

    def _gain(self, name: str) -> Gain | None:
        """Against the plain student, over the seeds that both have; None where they share none."""
        plain = {run.seed: run.predicted for run in self.by_name.get(PLAIN, [])}
        pairs = [(run.seed, run.predicted) for run in self.by_name[name] if run.seed in plain]
        if not pairs:
            return None
        seeds = [seed for seed, _ in pairs]
        together = PairedRuns(
            self.gold,
            np.stack([predicted for _, predicted in pairs]),
            np.stack([plain[seed] for seed in seeds]),
        )
        found = pooled_difference([together], seed=self.seed, metric=self.metric)
        alone = self._alone(name, seeds)
        return Gain(
            value=found.value,
            ci=found.ci,
            ci_seeds=found.ci_seeds,
            only_method=None if alone is None else sum(one.only_ours for one in alone),
            only_plain=None if alone is None else sum(one.only_theirs for one in alone),
            p_value=paired_p_value(self.metric, together, seed=self.seed),
            seeds=seeds,
        )

    def _alone(self, name: str, seeds: Sequence[int]) -> list[McNemar] | None:
        """Seed by seed, the rows that one of the two alone answers rightly; None where right is a matter of degree."""
        found = []
        for seed in seeds:
            both = [
                self._right(run) for who in (name, PLAIN) for run in self.by_name[who] if run.seed == seed
            ]
            if both[0] is None or both[1] is None:
                return None
            found.append(mcnemar_of(both[0], both[1]))
        return found

    def _right(self, run: StudentRun) -> NDArray[np.bool_] | None:
        if self.task.answers_as.ONE_LABEL:
            return np.asarray(run.predicted == self.gold)
        return None if run.probabilities is None else self.task.right(run.probabilities, self.rows)


def _helped(rows: Sequence[MethodRow]) -> tuple[bool | None, str | None]:
    """Whether the method with the best selection score beats the plain student, and its name."""
    compared = [row for row in rows if row.gain is not None]
    name = compared[0].name if len(compared) == 1 else _best(compared)
    gain = next((row.gain for row in compared if row.name == name), None)
    if gain is None:
        return None, None
    return gain.beyond_chance, name


def _contests(rows: Sequence[MethodRow]) -> list[Contest]:
    return [
        Contest(row.name, row.gain.value, row.gain.interval, len(row.gain.seeds), row.gain.beyond_chance)
        for row in rows
        if row.gain is not None
    ]


def _best(rows: Sequence[MethodRow]) -> str | None:
    """The name of the best by selection score; None where a score is missing and there is a choice."""
    scored = [(row.selection_score, row.name) for row in rows if row.selection_score is not None]
    if not scored or len(scored) < len(rows):
        return None
    return max(scored, key=lambda pair: pair[0])[1]


def _place(name: str) -> int:
    return {TEACHER: 0, PLAIN: 1, FLOOR: 3}.get(name, 2)


def _check(by_name: Mapping[str, Sequence[StudentRun]], rows: int) -> None:
    if not set(by_name) - {TEACHER, FLOOR}:
        raise ValueError("there is no student to compare")
    for name, runs in by_name.items():
        seeds = [run.seed for run in runs]
        if len(set(seeds)) < len(seeds):
            raise ValueError(f"{name} has a seed twice: {seeds}")
        for run in runs:
            if len(run.predicted) != rows:
                raise ValueError(
                    f"{name} with seed {run.seed} answered {run.predicted.shape}, expected ({rows},)"
                )


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if len(known) == len(values) else None


def _sum(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(sum(known)) if len(known) == len(values) else None


def _digest(predicted: NDArray[np.integer]) -> str:
    kind = "<f8" if predicted.dtype.kind == "f" else "<i8"
    return hashlib.sha256(predicted.astype(kind).tobytes()).hexdigest()
