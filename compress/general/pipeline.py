"""The story of general distillation, from raw text and a pretrained model to a smaller pretrained encoder."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from torch import Tensor
from transformers import set_seed

from compress.data.rows import Rows
from compress.distill import Distill
from compress.distill.task_loss import label_cross_entropy
from compress.general.encoder import encoder_parameters, load_encoder, publish, save_encoder
from compress.general.nearness import likeness, masked_words
from compress.general.prepare import Prepared, Text, prepare_general
from compress.general.recipe import GeneralConfig
from compress.general.report import REPORT, EncoderReport, Nearness
from compress.judge.machine import machine, versions
from compress.models.importance import TEXTS
from compress.models.shrink import layer_count
from compress.models.teacher import source_digest
from compress.progress import Progress
from compress.quiet import quiet_libraries
from compress.stage import Stage, Stages, write_text
from compress.students import FromTeacher
from compress.training.lesson import Batch, Lesson
from compress.training.loop import remove_checkpoints, train
from compress.training.options import TrainOptions
from compress.workshop import Workshop


def run_general(
    config: GeneralConfig, folder: Path, reproduce: str, progress: Progress, *, fresh: bool = False
) -> EncoderReport:
    """Teacher, student, stages of distillation; an encoder in `folder/encoder` and what was found of it.

    Resumable as `compress.pipeline.run_recipe` is, and seeds the global generators as it does. Raises
    `UserError` for what the user can mend.
    """
    quiet_libraries()
    set_seed(config.seed)
    progress.say("reading the text ...")
    prepared = prepare_general(config)
    stages = Stages(folder / "stages")
    if fresh:  # only now that the recipe was found to be good
        stages.forget()
    workshop = Workshop(stages, progress, prepared.compute, config.seed, "accuracy", tuple(config.report_to))
    text = prepared.text
    progress.say(f"{len(text.teaching):,} lines to learn from, {len(text.held_out):,} held out")

    teacher = _teacher(workshop, prepared, config.teacher.train)
    student = start = _start(workshop, teacher, config.student, text)
    for number, method in enumerate(config.distill, start=1):
        student = _learn(workshop, student, teacher, method, text, f"student-{number}-{method.method}")
    nearness = _measure(workshop, teacher, start, student, text)

    original, small = load_encoder(teacher.folder), load_encoder(student.folder)
    publish(small, folder / "encoder")
    report = EncoderReport(
        encoder=str(folder / "encoder"),
        lines=len(text.teaching),
        held_out=len(text.held_out),
        nearness=nearness,
        teacher_parameters=encoder_parameters(original.model),
        student_parameters=encoder_parameters(small.model),
        teacher_layers=layer_count(original.model.config),
        student_layers=layer_count(small.model.config),
        recipe=config.model_dump(mode="json", by_alias=True, exclude_none=True),
        machine=machine(),
        versions=versions(),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        seconds=dict(workshop.seconds),
        reproduce=reproduce,
    )
    write_text(folder / REPORT, report.model_dump_json(indent=2) + "\n")
    return report


class FillingMasks(Lesson):
    """Devlin et al. 2019, section 3.1: cross-entropy of the masked tokens."""

    def loss(self, batch: Batch) -> Tensor:
        """The mean over masked tokens; 0 for a batch without any."""
        return label_cross_entropy(self.answer(batch), batch["labels"])


def _teacher(workshop: Workshop, prepared: Prepared, options: TrainOptions | None) -> Stage:
    """The teacher as it is, or after it learnt to fill in masks in these lines."""
    opened, text = prepared.opened, prepared.text

    def work(folder: Path) -> Mapping[str, object]:
        set_seed(workshop.seed)  # a new head is drawn at random
        model = prepared.load_teacher()
        if options is not None:
            train(
                FillingMasks(model),
                text.rows(opened.tokenizer),
                None,
                options,
                workshop.session(folder, "teacher"),
            )
        save_encoder(model, opened.tokenizer, text.max_length, folder)
        remove_checkpoints(folder)
        return {}

    inputs: dict[str, object] = {"model": source_digest(opened), "max_length": text.max_length}
    if options is not None:
        inputs |= {"train": options.model_dump(), "text": text.digest(), "bf16": workshop.compute.bf16}
    return workshop.do("teacher", inputs, work)


def _start(workshop: Workshop, teacher: Stage, student: FromTeacher, text: Text) -> Stage:
    """The student before it has learnt anything."""

    def work(folder: Path) -> Mapping[str, object]:
        set_seed(workshop.seed)
        rows = Rows(text.sample(TEXTS), None)
        model, tokenizer = student.build(load_encoder(teacher.folder), rows, workshop.compute.device)
        save_encoder(model, tokenizer, text.max_length, folder)
        return {}

    inputs = {
        "teacher": teacher.digest,
        "student": student.model_dump(by_alias=True),
        "text": text.digest(),
    }
    return workshop.do("student-start", inputs, work)


def _learn(
    workshop: Workshop, before: Stage, teacher: Stage, method: Distill, text: Text, name: str
) -> Stage:
    """One stage of distillation, from the student that the stage before it left."""

    def work(folder: Path) -> Mapping[str, object]:
        set_seed(workshop.seed)
        student = load_encoder(before.folder)
        lesson = method.lesson(student, [load_encoder(teacher.folder)], workshop.compute.device)
        session = workshop.session(folder, f"student, {method.method}")
        train(lesson, text.rows(student.tokenizer), None, method, session)
        save_encoder(student.model, student.tokenizer, text.max_length, folder)
        remove_checkpoints(folder)
        return {}

    inputs = {
        "student": before.digest,
        "teacher": teacher.digest,
        "method": method.model_dump(),
        "text": text.digest(),
        "bf16": workshop.compute.bf16,
    }
    return workshop.do(name, inputs, work)


def _measure(workshop: Workshop, teacher: Stage, start: Stage, student: Stage, text: Text) -> Nearness:
    """How near the student is to the teacher, and how near it was, on the lines that were held out."""

    def work(_: Path) -> Mapping[str, object]:
        device = workshop.compute.device
        original, before, after = (load_encoder(stage.folder) for stage in (teacher, start, student))
        rows = text.rows(original.tokenizer, held_out=True)
        return Nearness(
            likeness=likeness(original.model, after.model, rows, device),
            likeness_before=likeness(original.model, before.model, rows, device),
            masked=masked_words(original.model, after.model, rows, device),
        ).model_dump()

    inputs = {"teacher": teacher.digest, "before": start.digest, "after": student.digest}
    facts = workshop.do("nearness", inputs, work).facts
    return Nearness.model_validate({name: facts[name] for name in Nearness.model_fields})
