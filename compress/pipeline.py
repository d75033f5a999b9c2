"""The story of a run, from a recipe to a report: read `run_recipe` from top to bottom."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from transformers import set_seed

from compress.bundle import make_bundle
from compress.data.rows import Rows, Splits
from compress.data.stratify import sample
from compress.distill import Distill
from compress.distill.student import distil
from compress.distill.teacher_logits import compute_teacher_logits, read_teacher_logits
from compress.errors import ProofError
from compress.exporting import export_stage, quantize_stage
from compress.judge.answers import read_answers, record_answers
from compress.judge.contestants import Contestant, line_up, predictors
from compress.judge.gates import Thresholds
from compress.judge.machine import machine, versions
from compress.judge.report import Report
from compress.judge.timing import read_timings, time_contestants
from compress.judge.verdict import Asked, Measured, make_report
from compress.models.shrink import shrink
from compress.models.teacher import check_teacher, make_teacher, source_digest
from compress.models.trained import WEIGHTS, Trained, load_trained, save_trained
from compress.prepare import Prepared, prepare
from compress.progress import Progress
from compress.quickstart.resolve import resolve_builtin
from compress.quiet import quiet_libraries
from compress.recipe import BenchmarkOptions, RunConfig
from compress.stage import Stage, Stages, write_text
from compress.workshop import Workshop
from serve.bundle import REPORT, TOKENIZER, sha256


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
        (place.folder / REPORT).unlink(missing_ok=True)
        raise


def _run_prepared(
    asked: RunConfig, config: RunConfig, prepared: Prepared, stages: Stages, place: Place, progress: Progress
) -> Report:
    for note in prepared.notes:
        progress.say(f"note: {note}")
    workshop = Workshop(
        stages=stages,
        progress=progress,
        compute=prepared.compute,
        seed=config.seed,
        metric=config.metric,
        report_to=tuple(config.report_to),
    )
    splits, proof_rows = prepared.splits, prepared.splits.validation

    teacher_stage, teacher = _teacher(workshop, config, prepared)
    logits_stage = _teacher_logits(
        workshop, teacher_stage, teacher, splits, distils=config.student is not None
    )
    shipped_stage, student = _student(workshop, config, prepared, teacher_stage, teacher, logits_stage)

    teacher_onnx, teacher_parity, exported = export_stage(
        workshop, "teacher-onnx", teacher_stage, teacher, proof_rows
    )
    float_model, findings = teacher_onnx, [teacher_parity]
    if student is not None:
        float_model, parity, exported = export_stage(
            workshop, "student-onnx", shipped_stage, student, proof_rows
        )
        findings.append(parity)
    small = quantize_stage(workshop, config.quantize, exported, float_model, student or teacher, proof_rows)
    quantized = small[0] if small else None
    findings += [small[1]] if small else []

    contestants = line_up(teacher, teacher_onnx, student, float_model, quantized)
    answers, timings = _measure(workshop, config.benchmark, contestants, splits.test, teacher.labels)
    probabilities = read_answers(answers.folder)
    report = make_report(
        Asked(
            task=config.task,
            metric=config.metric,
            thresholds=Thresholds(**config.gates.model_dump()),
            seed=config.seed,
            recipe=asked.model_dump(mode="json", by_alias=True, exclude_none=True),
            bundle=str(place.folder / "bundle"),
            teacher=str(teacher_stage.folder),
            reproduce=place.reproduce,
        ),
        splits,
        Measured(contestants, probabilities, read_timings(timings.folder), findings),
        prepared.notes,
        workshop.seconds,
    )
    make_bundle(
        place.folder / "bundle",
        name=place.name,
        trained=student or teacher,
        float_model=float_model,
        quantized=quantized,
        report=report,
        rows=splits.test if config.bundle.rows else None,
        teacher_probabilities=probabilities[contestants[0].key],
    )
    write_text(place.folder / REPORT, report.model_dump_json(indent=2) + "\n")
    return report


def _teacher(workshop: Workshop, config: RunConfig, prepared: Prepared) -> tuple[Stage, Trained]:
    """The teacher, used as it is or fine-tuned, and found to know the task."""
    options = config.teacher
    inputs = {
        "model": source_digest(prepared.opened),
        "train": options.train and options.train.model_dump(),
        "data": prepared.splits.digest() if options.train else None,
        "labels": prepared.alignment.names,
        "max_length": prepared.max_length,
        "seed": config.seed,
        "bf16": prepared.compute.bf16,
        "metric": config.metric,
    }

    def work(folder: Path) -> Mapping[str, object]:
        return make_teacher(
            prepared.opened,
            options,
            prepared.alignment,
            prepared.splits,
            prepared.max_length,
            workshop.session(folder, "teacher"),
        )

    stage = workshop.do("teacher", inputs, work)
    return stage, load_trained(stage.folder, trust_remote_code=options.trust_remote_code)


def _teacher_logits(
    workshop: Workshop, teacher_stage: Stage, teacher: Trained, splits: Splits, *, distils: bool
) -> Stage:
    """The teacher's logits over the rows that select, and over those that train where one is taught."""
    rows = {"validation": splits.validation} | ({"train": splits.train} if distils else {})

    def work(folder: Path) -> Mapping[str, object]:
        compute_teacher_logits(teacher, rows, workshop.compute.device, folder, workshop.progress, check)
        return {}

    def check(split: str, logits: NDArray[np.float32]) -> None:
        """Before an hour goes into a student: does this teacher know the task?"""
        if split == "validation" and splits.is_labelled:
            accuracy = check_teacher(teacher, logits, splits.validation)
            workshop.progress.say(f"teacher: accuracy {accuracy:.3f} on {len(logits):,} selection rows")

    return workshop.do(
        "teacher-logits", {"teacher": teacher_stage.digest, "data": splits.digest(), "of": sorted(rows)}, work
    )


def _student(
    workshop: Workshop,
    config: RunConfig,
    prepared: Prepared,
    teacher_stage: Stage,
    teacher: Trained,
    logits_stage: Stage,
) -> tuple[Stage, Trained | None]:
    """The student after its last stage of distillation; without one, the teacher's stage."""
    if prepared.student_layers is None:
        return teacher_stage, None
    layers = list(prepared.student_layers)

    def cut(folder: Path) -> Mapping[str, object]:
        save_trained(
            shrink(teacher.model, layers), teacher.tokenizer, teacher.labels, teacher.max_length, folder
        )
        return {"layers": layers}

    stage = workshop.do("student-start", {"teacher": teacher_stage.digest, "layers": layers}, cut)
    for number, method in enumerate(config.distill, start=1):
        inputs = {
            "student": stage.digest,
            "logits": logits_stage.digest,
            "method": method.model_dump(),
            "seed": config.seed,
            "bf16": prepared.compute.bf16,
            "metric": config.metric,
        }
        learn = partial(_learn, workshop, stage, prepared.splits, logits_stage, method)
        stage = workshop.do(f"student-{number}-{method.method}", inputs, learn)
    return stage, load_trained(stage.folder)


def _learn(
    workshop: Workshop, before: Stage, splits: Splits, logits: Stage, method: Distill, folder: Path
) -> Mapping[str, object]:
    """One stage of distillation, from the student that the stage before it left."""
    return distil(
        load_trained(before.folder),
        splits,
        read_teacher_logits(logits.folder, "train"),
        read_teacher_logits(logits.folder, "validation"),
        method,
        workshop.session(folder, f"student, {method.method}"),
    )


def _measure(
    workshop: Workshop,
    options: BenchmarkOptions,
    contestants: list[Contestant],
    rows: Rows,
    labels: tuple[str, ...],
) -> tuple[Stage, Stage]:
    """Every contestant's answers on the reported rows, and its latency on texts drawn from them."""
    files = {
        one.key: [
            sha256(one.file or one.trained.folder / WEIGHTS),
            sha256(one.trained.folder / TOKENIZER),
            labels,
        ]
        for one in contestants
    }
    inputs = {
        "files": files,
        "rows": rows.digest(),
        "machine": machine().model_dump(),
        "versions": versions(),
    }

    def answer(folder: Path) -> Mapping[str, object]:
        record_answers(predictors(contestants), rows.texts, labels, folder, workshop.progress)
        return {}

    def clock(folder: Path) -> Mapping[str, object]:
        texts = sample(rows.with_labels(None), options.texts, workshop.seed).texts
        results = time_contestants(contestants, texts, options, workshop.seed, folder, workshop.progress)
        return {"noisy": any(result.noisy for result in results.values())}

    answers = workshop.do("answers", inputs, answer)
    timings = workshop.do("latency", {**inputs, "benchmark": options.model_dump()}, clock)
    if timings.facts["noisy"]:
        # Kept for this report, and measured again by the next run, which may find the machine quiet.
        timings.reopen()
    return answers, timings
