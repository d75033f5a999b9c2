"""The student: made from its teacher or elsewhere, then taken through the stages of distillation."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

from transformers import set_seed

from compress.data.rows import Rows, Splits
from compress.distill import Distill, Logits, MiniLM, Plain
from compress.distill.student import distil
from compress.judge.machine import machine
from compress.models.open import open_model
from compress.models.teacher import source_digest
from compress.models.tokenizer import position_limit
from compress.models.trained import Trained, load_trained, save_trained
from compress.stage import Stage, write_json
from compress.steps.teachers import Taught, TeacherAnswers
from compress.students import FromTeacher, Pretrained, Student
from compress.training.fake_quantization import fake_quantized
from compress.training.loop import training_steps
from compress.workshop import Workshop
from export.quantize import Auto, KeepFloat, Qat, Quantiser
from export.quantize.circumstances import saturates
from export.quantize.qat import LEARNED_RANGES, LearnedRanges


@dataclass(frozen=True)
class Classroom:
    """What every student of a run learns from."""

    taught: Taught
    answers: TeacherAnswers
    transfer: Rows
    splits: Splits


def make_student(
    workshop: Workshop, student: Student, methods: Sequence[Distill], room: Classroom, name: str = "student"
) -> tuple[Stage, Trained]:
    """The student after its last stage."""
    stage = _start(workshop, student, room, f"{name}-start")
    for number, method in enumerate(methods, start=1):
        stage = _learn(workshop, stage, method, room, f"{name}-{number}-{method.method}")
    return stage, load_trained(stage.folder)


def make_ready(
    workshop: Workshop,
    made: tuple[Stage, Trained],
    quantize: Quantiser | Auto | KeepFloat,
    taught_by: Distill,
    room: Classroom,
    name: str = "student",
) -> tuple[Stage, Trained]:
    """The student after a training in which it feels int8, where the recipe asks for that; else as it is.

    It goes on learning from what its last stage was taught by: from the labels alone, or from its teacher.
    """
    if not isinstance(quantize, Qat):
        return made
    changes = {"epochs": quantize.epochs, "learning_rate": quantize.learning_rate}
    goes_on = (
        taught_by
        if isinstance(taught_by, Plain | Logits)
        else Logits(method="logits", batch_size=taught_by.batch_size)
    )
    reduce_range = saturates(machine().instruction_set)
    stage = _learn(
        workshop,
        made[0],
        goes_on.model_copy(update=changes),
        room,
        f"{name}-qat",
        rounding=_Rounding(reduce_range=reduce_range),
    )
    return stage, load_trained(stage.folder)


@dataclass(frozen=True)
class _Rounding:
    """How weights are rounded while training."""

    reduce_range: bool


def plain_budget(methods: Sequence[Distill], transfer: int, own: int) -> Plain:
    """Learning from the labels alone, for as many optimiser steps as these stages take together.

    They learn from `transfer` rows and it from its `own`, as fast as the last of them.
    """
    last = methods[-1]
    shared = {name: getattr(last, name) for name in Plain.model_fields if name not in {"method", "epochs"}}
    steps = sum(training_steps(one, own if isinstance(one, Plain) else transfer) for one in methods)
    return with_steps(Plain(method="plain", **shared), steps, own)


def with_steps(method: Plain, steps: int, rows: int) -> Plain:
    """The same, for so many optimiser steps on so many rows."""
    return method.model_copy(update={"epochs": steps / -(-rows // method.batch_size)})


def _start(workshop: Workshop, student: Student, room: Classroom, name: str) -> Stage:
    """The student before it has learnt anything."""
    teacher = room.taught.teachers.first

    def work(folder: Path) -> Mapping[str, object]:
        set_seed(workshop.seed)
        model, tokenizer = student.build(teacher, room.transfer, workshop.compute.device)
        max_length = min(teacher.max_length, position_limit(tokenizer, model.config))
        save_trained(model, tokenizer, teacher.labels, max_length, folder, teacher.answering)
        return {"parameters": sum(parameter.numel() for parameter in model.parameters())}

    inputs: dict[str, object] = {
        "teacher": room.taught.stages[0].digest,
        "student": student.model_dump(by_alias=True),
        "rows": room.transfer.digest(),
        "seed": workshop.seed,
    }
    if isinstance(student, Pretrained):  # its folder may hold another model by now
        inputs["source"] = source_digest(open_model(student))
    return workshop.do(name, inputs, work)


def _learn(
    workshop: Workshop,
    before: Stage,
    method: Distill,
    room: Classroom,
    name: str,
    rounding: _Rounding | None = None,
) -> Stage:
    """One stage of distillation, from the student that the stage before it left."""
    if isinstance(method, MiniLM) and method.assistant is not None:
        room = _with_assistant(workshop, method, room, name)
    # The plain student must not see what only a teacher could have answered.
    own = isinstance(method, Plain)
    inputs = {
        "student": before.digest,
        "logits": None if own else room.answers.stage.digest,
        "rows": (room.splits.train if own else room.transfer).digest(),
        "selection": room.splits.validation.digest(),
        "method": method.model_dump(),
        "seed": workshop.seed,
        "bf16": workshop.compute.bf16,
        "metric": workshop.metric,
    }
    if rounding is not None:
        inputs["rounding"] = asdict(rounding)
    return workshop.do(name, inputs, partial(_lesson, workshop, before, method, room, rounding))


def _lesson(
    workshop: Workshop,
    before: Stage,
    method: Distill,
    room: Classroom,
    rounding: _Rounding | None,
    folder: Path,
) -> Mapping[str, object]:
    rows, logits = room.transfer, room.answers.transfer
    if isinstance(method, Plain):
        rows, logits = room.splits.train, None
    student = load_trained(before.folder)
    ranges: LearnedRanges = {}
    inside = fake_quantized(student.model, ranges, reduce_range=rounding.reduce_range) if rounding else None
    facts = distil(
        student,
        room.taught.teachers.members,
        replace(room.splits, train=rows),
        logits,
        room.answers.selection,
        method,
        workshop.session(folder, f"student, {method.method}" + (", rounding" if rounding else "")),
        inside,
    )
    if rounding:
        write_json(folder / LEARNED_RANGES, ranges)
    return facts


def _with_assistant(workshop: Workshop, method: MiniLM, room: Classroom, name: str) -> Classroom:
    """The same lesson with a smaller teacher in between (MiniLM, section 3.3), which was taught the same way."""
    assert method.assistant is not None
    chain = method.model_copy(update={"assistant": None, "epochs": method.assistant.epochs or method.epochs})
    between = FromTeacher(layers=method.assistant.layers)
    stage, assistant = make_student(workshop, between, [chain], room, f"{name}-assistant")
    teachers = replace(room.taught.teachers, members=(assistant,), weights=(1.0,))
    return replace(room, taught=replace(room.taught, stages=(stage,), teachers=teachers))
