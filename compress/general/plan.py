"""`--dry-run` of general distillation: what would be learnt from what, and how long it would take."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table
from transformers import PreTrainedModel

from compress.general.encoder import encoder_parameters
from compress.general.prepare import Prepared, prepare_general
from compress.general.recipe import GeneralConfig
from compress.models.lengths import Lengths, measure_lengths
from compress.models.shrink import layer_count
from compress.progress import Progress
from compress.quiet import quiet_libraries
from compress.training.loop import training_steps
from compress.training.pace import spoken, step_seconds

SAMPLE = 2_000  # lines whose tokens are counted


@dataclass(frozen=True)
class GeneralPlan:
    """What is known before anything is trained."""

    lines: int  # to learn from
    held_out: int
    mean_length: float  # tokens, before any is cut off
    max_length: int
    share_cut: float  # lines that are longer and lose their end
    device: str
    precision: str
    teacher_parameters: int  # of the encoders alone, without heads
    teacher_layers: int
    student_parameters: int
    student_layers: int
    expected_size_mb: float  # of the encoder's folder
    expected_seconds: dict[str, float]


def make_general_plan(config: GeneralConfig, progress: Progress) -> GeneralPlan:
    """Check everything that can be checked without training, and time a few steps."""
    quiet_libraries()
    progress.say("reading the text ...")
    prepared = prepare_general(config)
    progress.say("timing a few steps ...")
    teacher = prepared.load_teacher()
    student = prepared.new_student()
    text = prepared.text
    lengths = measure_lengths(prepared.opened.tokenizer, text.sample(SAMPLE))
    return GeneralPlan(
        lines=len(text.teaching),
        held_out=len(text.held_out),
        mean_length=round(lengths.mean, 1),
        max_length=text.max_length,
        share_cut=lengths.share_over(text.max_length),
        device=prepared.compute.device,
        precision="bf16" if prepared.compute.bf16 else "fp32",
        teacher_parameters=encoder_parameters(teacher),
        teacher_layers=layer_count(teacher.config),
        student_parameters=encoder_parameters(student),
        student_layers=layer_count(student.config),
        expected_size_mb=round(encoder_parameters(student) * 4 / 1e6, 1),
        expected_seconds=_expected_seconds(config, prepared, teacher, student, lengths),
    )


def print_general_plan(plan: GeneralPlan, name: str, folder: Path, *, as_json: bool) -> None:
    """For people, or as JSON."""
    if as_json:
        print(json.dumps(asdict(plan), indent=2))  # noqa: T201 - the result
        return
    table = Table(
        title=f"Plan of {name}, nothing trained",
        show_header=False,
        box=None,
        title_justify="left",
        padding=(0, 2, 0, 0),
    )
    table.add_column()
    table.add_column(overflow="fold")  # a long path is to be read whole
    table.add_row("lines", f"{plan.lines:,} to learn from, {plan.held_out:,} held out to measure on")
    cut = f", and {plan.share_cut:.1%} of the lines lose their end" if plan.share_cut else ""
    table.add_row("max_length", f"{plan.max_length} tokens (mean {plan.mean_length:.0f}{cut})")
    table.add_row("teacher", f"{plan.teacher_layers} layers, {plan.teacher_parameters:,} parameters")
    table.add_row("student", f"{plan.student_layers} layers, {plan.student_parameters:,} parameters")
    table.add_row("size", f"encoder {plan.expected_size_mb} MB")
    table.add_row("trains on", f"{plan.device}, {plan.precision}")
    for stage, seconds in plan.expected_seconds.items():
        table.add_row(f"  {stage}", f"about {spoken(seconds)}")
    table.add_row("in all", f"about {spoken(sum(plan.expected_seconds.values()))}")
    table.add_row("writes", str(folder / "encoder"))
    Console(highlight=False).print(table)


def _expected_seconds(
    config: GeneralConfig,
    prepared: Prepared,
    teacher: PreTrainedModel,
    student: PreTrainedModel,
    lengths: Lengths,
) -> dict[str, float]:
    text, compute = prepared.text, prepared.compute
    tokens = min(max(4, round(lengths.mean)), text.max_length)

    def step(model: PreTrainedModel, batch: int, *, backward: bool) -> float:
        bf16 = compute.bf16 and backward
        return step_seconds(model, batch, tokens, compute.device, bf16=bf16, backward=backward)

    seconds: dict[str, float] = {}
    if options := config.teacher.train:
        steps = training_steps(options, len(text.teaching))
        seconds["teacher, filling masks"] = step(teacher, options.batch_size, backward=True) * steps
    for number, method in enumerate(config.distill, start=1):
        both = step(student, method.batch_size, backward=True) + step(
            teacher, method.batch_size, backward=False
        )
        steps = training_steps(method, len(text.teaching))
        seconds[f"student, {number} {method.method}"] = both * steps
    answering = step(teacher, 32, backward=False) + step(student, 32, backward=False)
    seconds["nearness"] = 2 * answering * len(text.held_out) / 32
    return {stage: round(value, 4) for stage, value in seconds.items()}
