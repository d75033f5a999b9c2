"""The teachers: used as they are or fine-tuned, and found to know the task."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from transformers import set_seed

from compress.data.rows import Rows, Splits
from compress.distill.teacher_logits import compute_teacher_logits, read_teacher_logits
from compress.judge.wording import METRIC_NAMES
from compress.models.teacher import make_teacher, source_digest
from compress.models.teachers import Teachers, spelled_as_first
from compress.models.trained import load_trained
from compress.prepare import Prepared, PreparedTeacher
from compress.recipe import RunConfig
from compress.stage import Stage
from compress.workshop import Workshop


@dataclass(frozen=True)
class Taught:
    """The teachers with the stages that made them."""

    stages: tuple[Stage, ...]
    teachers: Teachers

    @property
    def digest(self) -> str:
        """What everything that is learnt from them depends on."""
        if len(self.stages) == 1:
            return self.stages[0].digest
        parts = [stage.digest for stage in self.stages]
        return " ".join([*parts, str(self.teachers.weights), self.teachers.average])


def teach_teachers(workshop: Workshop, config: RunConfig, prepared: Prepared) -> Taught:
    """Every teacher of the recipe, each in a stage of its own."""
    # Of seeds that differ, so that two of the same model do not begin with the same head and stay alike.
    stages = tuple(
        _teacher(
            replace(workshop, seed=(workshop.seed + number - 1) % 2**32),
            one,
            prepared,
            "teacher" if number == 1 else f"teacher-{number}",
        )
        for number, one in enumerate(prepared.teachers, start=1)
    )
    loaded = [
        load_trained(stage.folder, trust_remote_code=one.options.trust_remote_code)
        for stage, one in zip(stages, prepared.teachers, strict=True)
    ]
    members = tuple(
        replace(member, labels=spelled_as_first(member.labels, loaded[0].labels, number))
        for number, member in enumerate(loaded, start=1)
    )
    weights = tuple(one.options.weight for one in prepared.teachers)
    return Taught(stages, Teachers(members, weights, config.average))


def _teacher(workshop: Workshop, one: PreparedTeacher, prepared: Prepared, name: str) -> Stage:
    options = one.options
    inputs = {
        "model": source_digest(one.opened),
        "train": options.train and options.train.model_dump(),
        "data": one.splits.digest() if options.train else None,
        "labels": one.alignment.names,
        "max_length": prepared.max_length,
        "seed": workshop.seed,
        "bf16": workshop.compute.bf16,
        "metric": workshop.metric,
        "task": workshop.task.key,
    }

    def work(folder: Path) -> Mapping[str, object]:
        # A new head is drawn: it must not depend on what was done in this process before.
        set_seed(workshop.seed)
        return make_teacher(
            one.opened,
            options,
            one.alignment,
            one.splits,
            prepared.max_length,
            workshop.session(folder, name),
        )

    return workshop.do(name, inputs, work)


@dataclass(frozen=True)
class TeacherAnswers:
    """The teachers' logits over the rows that select and those that teach."""

    stage: Stage
    selection: NDArray[np.float32]  # (rows, labels)
    transfer: NDArray[np.float32] | None  # (rows, labels); None where nothing is taught


def answer_once(workshop: Workshop, taught: Taught, splits: Splits, transfer: Rows | None) -> TeacherAnswers:
    """Logits over the selection rows, and over those that a student learns from: computed once, kept on disk."""
    rows = {"validation": splits.validation} | ({} if transfer is None else {"train": transfer})
    check = partial(_check, workshop, taught, splits)

    def work(folder: Path) -> Mapping[str, object]:
        compute_teacher_logits(
            taught.teachers, rows, workshop.compute.device, folder, workshop.progress, check
        )
        return {}

    inputs = {"teacher": taught.digest, "rows": {name: part.digest() for name, part in rows.items()}}
    stage = workshop.do("teacher-logits", inputs, work)
    return TeacherAnswers(
        stage,
        read_teacher_logits(stage.folder, "validation"),
        None if transfer is None else read_teacher_logits(stage.folder, "train"),
    )


def _check(
    workshop: Workshop, taught: Taught, splits: Splits, split: str, logits: NDArray[np.float32]
) -> None:
    """Before an hour goes into a student: do these teachers know the task?"""
    if split == "validation" and splits.is_labelled:
        metric, score = workshop.task.examined(
            taught.teachers.labels, logits, splits.validation, taught.teachers.first
        )
        workshop.progress.say(
            f"teacher: {METRIC_NAMES.get(metric, metric)} {score:.3f} on {len(splits.validation):,} selection rows"
        )
