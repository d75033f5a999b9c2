"""The story of a comparison: one teacher, one cache of its answers, the same student by every method."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from transformers import set_seed

from compress.compare.asked import PLAIN, Lineup
from compress.compare.plot import write_plot
from compress.compare.report import (
    FLOOR,
    TEACHER,
    Comparison,
    Setting,
    Student,
    StudentRun,
    compare_rows,
)
from compress.data.rows import Splits
from compress.distill import Distill, Plain
from compress.errors import DataError, RecipeError
from compress.judge.answers import read_answers
from compress.judge.contestants import Contestant, line_up_student, line_up_teachers
from compress.judge.floor import floor_predictions
from compress.models.shrink import layer_count
from compress.models.trained import Trained
from compress.pipeline import open_workshop, transfer_set
from compress.prepare import Prepared, check_methods, prepare
from compress.progress import Progress
from compress.quickstart.resolve import resolve_builtin
from compress.quiet import quiet_libraries
from compress.recipe import RunConfig
from compress.stage import Stage, Stages, write_json, write_text
from compress.start import resolve
from compress.steps.measure import answers_stage
from compress.steps.onnx import export_files
from compress.steps.student import Classroom, make_ready, make_student, with_steps
from compress.steps.teachers import Taught, answer_once, teach_teachers
from compress.steps.transfer import Transfer
from compress.training.loop import training_steps
from compress.workshop import Workshop

FIGURES = "compare.json"
ROWS = "compare-rows"  # the folder of one document per method and seed, written as each is done


def start_comparison(
    recipe: str | Path,
    lineups: Sequence[Lineup],
    seeds: Sequence[int] | int,
    learning_rates: Sequence[float],
    *,
    out: Path | None,
    overrides: Sequence[str],
    fresh: bool,
    progress: Progress,
) -> tuple[Comparison, Path]:
    """Read the recipe and compare; also gives the folder, `runs/<recipe>` by default."""
    config, name, _ = resolve(recipe, overrides)
    if not isinstance(config, RunConfig) or config.student is None:
        raise RecipeError(name, ["a comparison needs a task with a student: and distill:"])
    folder = out or Path("runs") / name
    chosen = list(range(config.seed, config.seed + seeds)) if isinstance(seeds, int) else list(seeds)
    command = ["compress", "compare", str(recipe), "--methods", ",".join(one.name for one in lineups[1:])]
    # One number would be read as a count.
    command += ["--seeds", str(seeds) if isinstance(seeds, int) else ",".join(map(str, chosen))]
    if learning_rates:
        command += ["--learning-rates", ",".join(map(str, learning_rates))]
    for override in overrides:
        command += ["--set", override]
    asked = Asked(lineups, chosen, list(learning_rates), shlex.join([*command, "--out", str(folder)]))
    return run_comparison(config, asked, folder, progress, fresh=fresh), folder


@dataclass(frozen=True)
class Asked:
    """What is compared."""

    lineups: Sequence[Lineup]  # the plain student first
    seeds: Sequence[int]
    learning_rates: Sequence[float]  # empty: the recipe's own
    reproduce: str


def run_comparison(
    config: RunConfig, asked: Asked, folder: Path, progress: Progress, *, fresh: bool = False
) -> Comparison:
    """Teacher once, then every method and seed through training, ONNX, int8 and the reported rows.

    Each is kept as it is done, so that a comparison which was stopped goes on. Stages are shared with
    `compress run` on the same folder. Raises as `compress.pipeline.run_recipe` does.
    """
    quiet_libraries()
    set_seed(config.seed)
    stages = Stages(folder / "stages")
    resolved = resolve_builtin(config, stages.root)
    prepared = prepare(resolved)
    lineups = _lineups(resolved, prepared, asked.lineups)
    if fresh:
        stages.forget()
        resolve_builtin(config, stages.root)
    for note in prepared.notes:
        progress.say(f"note: {note}")
    workshop = open_workshop(resolved, prepared, stages, progress)

    taught = teach_teachers(workshop, resolved, prepared)
    transfer = transfer_set(workshop, resolved, prepared, taught)
    assert transfer is not None
    answers = answer_once(workshop, taught, prepared.splits, transfer.rows)
    room = Classroom(taught, answers, transfer.rows, prepared.splits)
    runs = [_teacher_run(workshop, taught, prepared)]
    if prepared.splits.is_labelled and prepared.task.answers_as.ONE_LABEL:
        runs.append(_floor_run(prepared, resolved))
    for seed in asked.seeds:
        for lineup in lineups:
            run, contestant = _student_run(workshop, resolved, room, lineup, seed, asked.learning_rates)
            runs.append(run)
            (folder / ROWS).mkdir(parents=True, exist_ok=True)
            document = _row_document(run, workshop, prepared, asked)
            write_json(folder / ROWS / f"{lineup.name}-seed-{seed}.json", document)
            _say(progress, run, prepared)
    setting = _setting(config, asked, prepared, transfer, contestant)
    test = prepared.splits.test
    gold = None if test.labels is None else prepared.task.gold_marks(config.metric, test)
    comparison = compare_rows(runs, gold, setting, test)
    write_text(folder / FIGURES, comparison.model_dump_json(indent=2) + "\n")
    write_plot(comparison, folder)
    return comparison


def _lineups(config: RunConfig, prepared: Prepared, asked: Sequence[Lineup]) -> Sequence[Lineup]:
    """What can be compared; raises `UserError` for what this student cannot learn by, before it is taught."""
    chosen = asked if prepared.splits.is_labelled else asked[1:]  # no labels, no plain student
    stages = {lineup.name: lineup.stages(config) for lineup in chosen}
    if not prepared.splits.is_labelled:
        for name, methods in stages.items():
            if any(isinstance(method, Plain) for method in methods):
                raise DataError(
                    f"--methods {name}: plain learns from labels, and the data has none",
                    "methods that a teacher answers for",
                    "take plain out, or set data.columns.label",
                )
    check_methods(
        config,
        prepared,
        {
            f"--methods {name}" + (f" ({number} of {len(methods)})" if len(methods) > 1 else ""): method
            for name, methods in stages.items()
            for number, method in enumerate(methods, start=1)
        },
    )
    return chosen


def _methods(lineup: Lineup, config: RunConfig, room: Classroom, rate: float | None) -> list[Distill]:
    """The stages; the plain student takes as many steps on its rows as the others on theirs."""
    methods = lineup.stages(config)
    if rate is not None:
        methods = [method.model_copy(update={"learning_rate": rate}) for method in methods]
    (first, *_), own = methods, len(room.splits.train)
    if lineup.name == PLAIN and isinstance(first, Plain) and own != len(room.transfer):
        return [with_steps(first, training_steps(first, len(room.transfer)), own)]
    return methods


def _student_run(
    workshop: Workshop,
    config: RunConfig,
    room: Classroom,
    lineup: Lineup,
    seed: int,
    learning_rates: Sequence[float],
) -> tuple[StudentRun, Contestant]:
    """One method with one seed: the best of the learning rates by the selection rows, then the reported rows."""
    assert config.student is not None
    made: list[_Made] = []
    grid: Sequence[float | None] = learning_rates or [None]
    for rate in grid:
        own = replace(workshop, seed=seed, seconds={}, folders={})
        methods = _methods(lineup, config, room, rate)
        stage, student = make_student(own, config.student, methods, room, lineup.name)
        seconds = sum(spent for name, spent in own.seconds.items() if not name.endswith("-start"))
        score = float(str(stage.facts["selection_score"]))
        made.append(_Made(stage, student, score, seconds, methods[-1]))
    best = max(made, key=lambda one: one.selection_score)
    own = replace(workshop, seed=seed)
    stage, student = make_ready(
        own, (best.stage, best.student), config.quantiser, best.taught_by, room, lineup.name
    )
    files = export_files(
        own, room.splits.validation, config.export, lineup.name, (stage, student), config.quantiser
    )
    contestant = line_up_student("student", files)[-1]
    recorded = answers_stage(own, contestant, room.splits.test, student.labels, f"{lineup.name}-answers")
    probabilities = read_answers(recorded.folder)
    run = StudentRun(
        method=lineup.name,
        seed=seed,
        predicted=_marks(own, probabilities, room.splits),
        probabilities=probabilities,
        selection_score=best.selection_score,
        training_seconds=best.seconds,
        learning_rate=best.taught_by.learning_rate,
        file=str(recorded.folder),
    )
    return run, contestant


@dataclass(frozen=True)
class _Made:
    """A student that was trained with one learning rate."""

    stage: Stage
    student: Trained
    selection_score: float
    seconds: float
    taught_by: Distill  # its last stage


def _teacher_run(workshop: Workshop, taught: Taught, prepared: Prepared) -> StudentRun:
    contestant = line_up_teachers(taught.teachers, None)[0]
    recorded = answers_stage(workshop, contestant, prepared.splits.test, prepared.labels, "teacher-answers")
    probabilities = read_answers(recorded.folder)
    return StudentRun(TEACHER, workshop.seed, _marks(workshop, probabilities, prepared.splits), probabilities)


def _marks(workshop: Workshop, answers: NDArray[np.float64], splits: Splits) -> NDArray[Any]:
    """What the metric takes of answers to the reported rows."""
    task = workshop.task
    metric = workshop.metric if splits.is_labelled else task.agreement_metric
    return task.marks(metric, answers, splits.test)


def _floor_run(prepared: Prepared, config: RunConfig) -> StudentRun:
    splits = prepared.splits
    predicted = floor_predictions(
        splits.train, splits.test, validation=splits.validation, metric=config.metric, seed=config.seed
    )
    return StudentRun(FLOOR, config.seed, predicted)


def _setting(
    config: RunConfig, asked: Asked, prepared: Prepared, transfer: Transfer, student: Contestant
) -> Setting:
    splits = prepared.splits
    assert config.student is not None
    assert isinstance(student.model, Trained)
    return Setting(
        task=config.task,
        metric=config.metric,
        seed=config.seed,
        student=Student(
            layers=layer_count(student.model.model.config) or None,
            parameters=student.model.parameters,
            size_mb=student.size_mb,
            source=getattr(config.student, "model", None) or config.teachers[0].model,
        ),
        precision=student.precision,
        labels=prepared.labels,
        rows={"train": len(transfer.rows), "validation": len(splits.validation), "test": len(splits.test)},
        data_digest=splits.digest(),
        recipe=config.model_dump(mode="json", by_alias=True, exclude_none=True),
        reproduce=asked.reproduce,
        notes=[*prepared.notes, *transfer.notes],
        judged=prepared.task,
    )


def _row_document(run: StudentRun, workshop: Workshop, prepared: Prepared, asked: Asked) -> dict[str, object]:
    """What one trained student is worth, small enough to keep and to pool with others (`benchmarks/pool_gains.py`).

    `right` has a 1 for every reported row that was answered rightly and a 0 for every other, in the order of
    the file; None where the rows have no labels.
    """
    right = _right(run, prepared)
    return {
        "method": run.method,
        "seed": run.seed,
        "selection_score": run.selection_score,
        "learning_rate": run.learning_rate,
        "training_seconds": run.training_seconds,
        "metric": workshop.metric,
        "accuracy": None if right is None else float(right.mean()),
        "right": None if right is None else "".join("1" if one else "0" for one in right),
        "data_digest": prepared.splits.digest(),
        "reproduce": asked.reproduce,
    }


def _say(progress: Progress, run: StudentRun, prepared: Prepared) -> None:
    right = _right(run, prepared)
    told = "" if right is None else f", {float(right.mean()):.3f} right on the test rows"
    progress.say(f"{run.method}, seed {run.seed}: selection score {run.selection_score:.3f}{told}")


def _right(run: StudentRun, prepared: Prepared) -> NDArray[np.bool_] | None:
    """Which of the test rows are answered rightly; None without labels, and where that is a matter of degree."""
    test = prepared.splits.test
    if test.labels is None or run.probabilities is None:
        return None
    return prepared.task.right(run.probabilities, test)
