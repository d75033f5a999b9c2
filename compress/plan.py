"""`--dry-run`: what a run would do, how long it would take and how large its result would be."""

import json
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table
from transformers import PreTrainedModel

from compress.augment import expected_rows
from compress.general.plan import make_general_plan, print_general_plan
from compress.general.recipe import GeneralConfig
from compress.judge.generalization import ROWS as CHANGED_ROWS
from compress.judge.perturb import PERTURBATIONS
from compress.models.heads import auto_class
from compress.models.open import load_classifier
from compress.models.shrink import layer_count
from compress.prepare import Prepared, prepare
from compress.progress import Progress
from compress.quickstart.resolve import resolve_builtin
from compress.quiet import quiet_libraries
from compress.recipe import RunConfig
from compress.stage import MANIFEST
from compress.start import resolve
from compress.steps.student import plain_budget
from compress.steps.transfer import new_texts
from compress.training.loop import training_steps
from compress.training.pace import spoken, step_seconds
from export.quantize import Auto, Dynamic, KeepFloat, Qat

# Export and proof: seconds that hardly depend on the model.
FIXED_SECONDS = 20.0
# The reported rows, and some of them changed in several ways, are answered text by text in PyTorch and in ONNX.
_ALONE = 2.0
# Making and scoring the candidates of `quantize: {method: auto}`, besides timing them.
LADDER_SECONDS = 60.0
# A training step that rounds weights and activations, against one that does not.
_ROUNDING = 1.5


@dataclass(frozen=True)
class Plan:
    """What is known before anything is trained."""

    rows: dict[str, int]
    labels: list[str]
    notes: list[str]
    length_histogram: list[tuple[int, int, int]]  # from, to, texts
    mean_length: float
    max_length: int
    device: str
    precision: str
    teacher_parameters: int
    teacher_layers: int
    student_parameters: int | None
    student: dict[str, object] | None
    export: list[str]  # the forms of ONNX file to try, by name
    expected_size_mb: dict[str, float]
    expected_seconds: dict[str, float]


def make_plan(config: RunConfig, progress: Progress) -> Plan:
    """Check everything that can be checked without training, and time a few steps."""
    quiet_libraries()
    with tempfile.TemporaryDirectory() as scratch:
        config = resolve_builtin(config, Path(scratch))
        prepared = prepare(config)
        progress.say("timing a few steps ...")
        teachers = [
            load_classifier(
                one.opened, one.alignment.names, new_head=one.alignment.new_head, task=prepared.task
            )
            for one in prepared.teachers
        ]
    student = None
    if prepared.student_config is not None:
        student = auto_class(prepared.task.head).from_config(prepared.student_config)
    shipped = student or teachers[0]
    sizes = {
        "teacher": sum(map(_parameters, teachers)) * 4 / 1e6,
        "ONNX float": _parameters(shipped) * 4 / 1e6,
    }
    quantize = config.quantize
    if isinstance(quantize, Auto):
        sizes["ONNX int8, where it is chosen"] = _parameters(shipped) * Dynamic.bytes_per_parameter / 1e6
    elif not isinstance(quantize, KeepFloat):
        sizes[f"ONNX {quantize.precision}"] = _parameters(shipped) * quantize.bytes_per_parameter / 1e6
    return Plan(
        rows=_rows(config, prepared),
        labels=list(prepared.labels),
        notes=list(prepared.notes),
        length_histogram=prepared.lengths.histogram(),
        mean_length=prepared.lengths.mean,
        max_length=prepared.max_length,
        device=prepared.compute.device,
        precision="bf16" if prepared.compute.bf16 else "fp32",
        teacher_parameters=sum(map(_parameters, teachers)),
        teacher_layers=layer_count(teachers[0].config),
        student_parameters=None if student is None else _parameters(student),
        student=None
        if config.student is None
        else config.student.model_dump(by_alias=True, exclude_none=True),
        export=_forms(config),
        expected_size_mb={name: round(size, 1) for name, size in sizes.items()},
        expected_seconds=_expected_seconds(config, prepared, teachers, student),
    )


def print_plan(
    recipe: object, overrides: Sequence[str], out: Path | None, progress: Progress, *, as_json: bool
) -> None:
    """Print the plan of a recipe for people, or as JSON."""
    config, name, _ = resolve(recipe, overrides)  # type: ignore[arg-type]  # str, Path or None
    folder = out or Path("runs") / name
    if isinstance(config, GeneralConfig):
        print_general_plan(make_general_plan(config, progress), name, folder, as_json=as_json)
        return
    plan = make_plan(config, progress)
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
    table.add_row("rows", ", ".join(f"{split} {count:,}" for split, count in plan.rows.items()))
    table.add_row(
        "labels", f"{len(plan.labels)}: {', '.join(plan.labels[:8])}{', ...' if len(plan.labels) > 8 else ''}"
    )
    table.add_row("max_length", f"{plan.max_length} tokens (mean {plan.mean_length:.0f})")
    for low, high, count in plan.length_histogram:
        share = count / max(1, sum(texts for _, _, texts in plan.length_histogram))
        table.add_row(f"  {low} to {high}", f"{'█' * round(share * 40):<40} {share:6.1%}")
    table.add_row("teacher", f"{plan.teacher_layers} layers, {plan.teacher_parameters:,} parameters")
    if plan.student and plan.student_parameters:
        kind = ", ".join(f"{key} {value}" for key, value in plan.student.items())
        # The vocabulary is cut by texts that were not tokenised yet.
        most = "at most " if plan.student.get("vocabulary") == "trim" else ""
        table.add_row("student", f"{kind}; {most}{plan.student_parameters:,} parameters")
    table.add_row("sizes", ", ".join(f"{what} {size} MB" for what, size in plan.expected_size_mb.items()))
    table.add_row("exports", ", ".join(plan.export))
    table.add_row("trains on", f"{plan.device}, {plan.precision}")
    for stage, seconds in plan.expected_seconds.items():
        table.add_row(f"  {stage}", f"about {spoken(seconds)}")
    table.add_row("in all", f"about {spoken(sum(plan.expected_seconds.values()))}")
    table.add_row("writes", str(folder))
    console = Console(highlight=False)
    console.print(table)
    kept = len(list((folder / "stages").glob(f"*/{MANIFEST}")))
    notes = (
        [f"{kept} finished stages lie there; those with the same inputs are not done again"] if kept else []
    )
    for note in (*notes, *plan.notes):
        console.print(f"note: {note}", markup=False)


def _rows(config: RunConfig, prepared: Prepared) -> dict[str, int]:
    """Rows per split, and what is added to those that a student learns from."""
    splits = prepared.splits
    rows = {name: len(getattr(splits, name)) for name in ("train", "validation", "test")}
    if prepared.unlabeled:
        rows["unlabeled"] = len(new_texts(prepared.unlabeled, splits)[0])
    if config.augment is not None:
        rows["augmented, at most"] = expected_rows(len(splits.train), config.augment)
    return rows


def _forms(config: RunConfig) -> list[str]:
    """Where time does not decide, one is enough."""
    timed = config.export.is_timed(ships=config.quantize.method == "none")
    forms = config.export.forms()
    return [form.name for form in (forms if timed else forms[:1])]


def _expected_seconds(
    config: RunConfig,
    prepared: Prepared,
    teachers: Sequence[PreTrainedModel],
    student: PreTrainedModel | None,
) -> dict[str, float]:
    planned = _rows(config, prepared)
    own = planned["train"]
    learnt_from = own + planned.get("unlabeled", 0) + planned.get("augmented, at most", 0)
    tokens = min(max(4, round(prepared.lengths.mean)), prepared.max_length)
    compute = prepared.compute

    def step(model: PreTrainedModel, batch: int, *, backward: bool) -> float:
        return step_seconds(
            model, batch, tokens, compute.device, bf16=backward and compute.bf16, backward=backward
        )

    seconds: dict[str, float] = {}
    for number, (one, teacher) in enumerate(zip(config.teachers, teachers, strict=True), start=1):
        if options := one.train:
            name = "teacher, fine-tuning" if number == 1 else f"teacher {number}, fine-tuning"
            seconds[name] = step(teacher, options.batch_size, backward=True) * training_steps(options, own)
    if student is not None:
        forward = sum(step(teacher, 32, backward=False) for teacher in teachers) / 32
        seconds["teacher's answers"] = forward * (learnt_from + len(prepared.splits.validation))
        if config.baseline:
            plain = plain_budget(config.distill, learnt_from, own)
            seconds["plain student"] = step(student, plain.batch_size, backward=True) * training_steps(
                plain, own
            )
        for number, method in enumerate(config.distill, start=1):
            one_step = step(student, method.batch_size, backward=True)
            if method.looks_inside:
                one_step += forward * method.batch_size
            rows = own if method.method == "plain" else learnt_from
            seconds[f"student, {number} {method.method}"] = one_step * training_steps(method, rows)
        if isinstance(config.quantize, Qat):
            last = config.distill[-1]
            rounding = last.model_copy(update={"epochs": config.quantize.epochs})
            seconds["student, with rounding"] = (
                _ROUNDING
                * step(student, last.batch_size, backward=True)
                * training_steps(rounding, learnt_from)
            )
    seconds["export, proof"] = FIXED_SECONDS
    test = planned["test"]
    asked = test + len(PERTURBATIONS) * min(test, CHANGED_ROWS)
    alone = sum(step(teacher, 1, backward=False) for teacher in teachers)
    seconds["answers on the test rows"] = _ALONE * asked * alone
    if isinstance(config.quantize, Auto):
        seconds["ladder of quantisers"] = LADDER_SECONDS + config.quantize.seconds
    seconds["latency"] = 2 * config.benchmark.seconds
    return {stage: round(value, 2) for stage, value in seconds.items()}


def _parameters(model: PreTrainedModel) -> int:
    return sum(parameter.numel() for parameter in model.parameters())
