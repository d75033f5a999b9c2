"""The story of a run, from a recipe to a report: read `run_recipe` from top to bottom."""

import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from transformers import set_seed

from compress.bundle import make_bundle
from compress.errors import ProofError
from compress.judge.contestants import Files, line_up_student, line_up_teachers
from compress.judge.gates import Thresholds
from compress.judge.report import ExportForm, Report
from compress.judge.timing import read_timings
from compress.judge.verdict import Asked, Measured, make_report
from compress.page.page import report_page
from compress.prepare import Prepared, prepare
from compress.progress import Progress
from compress.quickstart.resolve import resolve_builtin
from compress.quiet import quiet_libraries
from compress.recipe import RunConfig
from compress.stage import Stages, write_text
from compress.steps.batches import batches_stage
from compress.steps.cascade import cascade_stage
from compress.steps.generalization import generalization_stage
from compress.steps.invariance import invariance_stage
from compress.steps.ladder import kept_float
from compress.steps.measure import answers, clock_stage
from compress.steps.onnx import export_files
from compress.steps.quantized import seven_bits
from compress.steps.student import Classroom, make_ready, make_student, plain_budget
from compress.steps.teachers import Taught, answer_once, teach_teachers
from compress.steps.transfer import Transfer, make_transfer
from compress.training.history import read_histories
from compress.workshop import Workshop
from export.quantize import KeepFloat
from serve.bundle import REPORT, REPORT_PAGE


@dataclass(frozen=True)
class Place:
    """Where a run writes, and how it is called."""

    folder: Path
    name: str
    reproduce: str  # the command that gives the same report again


def run_recipe(asked: RunConfig, place: Place, progress: Progress, *, fresh: bool = False) -> Report:
    """Teacher, student, ONNX, int8, verdict, bundle; what was done before is done again only when `fresh`.

    Seeds the global generators of Python, numpy and torch, and silences the libraries' own messages.
    """
    quiet_libraries()
    set_seed(asked.seed)
    stages = Stages(place.folder / "stages")
    config = resolve_builtin(asked, stages.root)
    prepared = prepare(config)
    if fresh:  # only now that the recipe was found to be good
        stages.forget()
        resolve_builtin(asked, stages.root)
    try:
        return _run_prepared(asked, config, prepared, stages, place, progress)
    except ProofError:
        # An older bundle beside this failure would be taken for its result.
        shutil.rmtree(place.folder / "bundle", ignore_errors=True)
        for document in (REPORT, REPORT_PAGE):
            (place.folder / document).unlink(missing_ok=True)
        raise


def _run_prepared(
    asked: RunConfig, config: RunConfig, prepared: Prepared, stages: Stages, place: Place, progress: Progress
) -> Report:
    for note in prepared.notes:
        progress.say(f"note: {note}")
    workshop = open_workshop(config, prepared, stages, progress)
    splits = prepared.splits

    taught = teach_teachers(workshop, config, prepared)
    transfer = transfer_set(workshop, config, prepared, taught)
    taught_answers = answer_once(workshop, taught, splits, transfer.rows if transfer else None)
    student, plain = None, None
    if config.student is not None and transfer is not None:
        room = Classroom(taught, taught_answers, transfer.rows, splits)
        student = make_student(workshop, config.student, config.distill, room)
        student = make_ready(workshop, student, config.quantiser, config.distill[-1], room)
        if config.baseline:
            budget = plain_budget(config.distill, len(transfer.rows), len(splits.train))
            plain = make_student(workshop, config.student, [budget], room, "plain")
            plain = make_ready(workshop, plain, config.quantiser, budget, room, "plain")

    export = partial(export_files, workshop, splits.validation, config.export)
    teacher = (taught.stages[0], taught.teachers.first)
    # An average of several teachers is no model that could be exported.
    compared = len(taught.stages) == 1 and student is not None
    teacher_files = export("teacher", teacher, KeepFloat(method="none"), ships=False) if compared else None
    plain_files = export("plain", plain, config.quantiser) if plain else None
    shipped = export("student" if student else "teacher", student or teacher, config.quantiser)
    made = {
        "teacher": teacher_files,
        "plain student": plain_files,
        "student" if student else "teacher": shipped,
    }
    files = {name: one for name, one in made.items() if one is not None}
    contestants = [
        *line_up_teachers(taught.teachers, teacher_files),
        *(line_up_student("plain student", plain_files)[-1:] if plain_files else []),
        *line_up_student("student" if student else "teacher", shipped),
    ]

    labels = prepared.labels
    probabilities = answers(workshop, contestants, splits.test, labels)
    invariant = invariance_stage(workshop, contestants[-1], splits.test, labels)
    batches = batches_stage(workshop, contestants[-1], splits.test, invariant, prepared.max_length)
    shifts = generalization_stage(
        workshop, contestants, splits, prepared.generalization, probabilities, labels
    )
    cascade = (
        cascade_stage(workshop, contestants[-1], splits, taught_answers.selection, labels)
        if compared
        else None
    )
    timings = clock_stage(workshop, config.benchmark, contestants, splits.test, labels)
    notes = [
        *prepared.notes,
        *(transfer.notes if transfer else []),
        *kept_float(shipped.ladder),
        *seven_bits(shipped.quantized),
    ]
    report = make_report(
        Asked(
            task=prepared.task,
            metric=config.metric,
            thresholds=Thresholds(**config.gates.model_dump()),
            seed=config.seed,
            recipe=asked.model_dump(mode="json", by_alias=True, exclude_none=True),
            bundle=str(place.folder / "bundle"),
            teacher=str(taught.stages[0].folder),
            reproduce=place.reproduce,
        ),
        splits,
        Measured(
            contestants,
            probabilities,
            read_timings(timings.folder),
            [finding for one in files.values() for finding in one.parity],
            invariance=invariant,
            batches=batches,
            generalization=shifts,
            baseline=next((one.key for one in contestants if one.name == "plain student"), None),
            exports=_tried(files),
            single_teachers=[one.key for one in contestants if one.name.startswith("teacher ")],
            ladder=shipped.ladder,
            cascade=cascade,
            trainings=read_histories(workshop.folders),
        ),
        notes,
        workshop.seconds,
    )
    make_bundle(
        place.folder / "bundle",
        name=place.name,
        trained=shipped.trained,
        float_model=shipped.float_model,
        quantized=shipped.quantized,
        report=report,
        batches=batches,
        text_pair=splits.test.are_pairs and not workshop.task.answers_as.READS_EACH,
        rows=splits.test if config.bundle.rows else None,
        teacher_answers=probabilities[contestants[0].key],
    )
    write_text(place.folder / REPORT, report.model_dump_json(indent=2) + "\n")
    write_text(place.folder / REPORT_PAGE, report_page(place.name, report))
    return report


def _tried(files: Mapping[str, Files]) -> list[ExportForm]:
    """Every form of ONNX file that was tried, by the model's name."""
    return [ExportForm(model=name, **asdict(form)) for name, one in files.items() for form in one.tried]


def open_workshop(config: RunConfig, prepared: Prepared, stages: Stages, progress: Progress) -> Workshop:
    """What every stage of this run works with."""
    return Workshop(
        stages=stages,
        progress=progress,
        compute=prepared.compute,
        seed=config.seed,
        metric=config.metric,
        report_to=tuple(config.report_to),
        task=prepared.task,
    )


def transfer_set(
    workshop: Workshop, config: RunConfig, prepared: Prepared, taught: Taught
) -> Transfer | None:
    """The texts that a student learns from; None where there is no student."""
    if config.student is None:
        return None
    return make_transfer(
        workshop,
        prepared.splits,
        prepared.unlabeled,
        config.augment,
        taught.teachers.first,
        taught.stages[0],
        prepared.teachers[0].opened,
    )
