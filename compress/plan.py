"""`--dry-run`: what a run would do, how long it would take and how large its result would be."""

import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table
from torch import nn
from transformers import PreTrainedModel

from compress.models.open import load_classifier
from compress.models.shrink import shrink
from compress.prepare import Prepared, prepare
from compress.progress import Progress
from compress.quickstart.resolve import resolve_builtin
from compress.quiet import quiet_libraries
from compress.recipe import RunConfig
from compress.start import resolve
from compress.training.loop import training_steps

TIMED_STEPS = 4
# Export, proof, answers on the test rows: seconds that hardly depend on the model.
FIXED_SECONDS = 30.0


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
    student_layers: list[int] | None
    expected_size_mb: dict[str, float]
    expected_seconds: dict[str, float]


def make_plan(config: RunConfig, progress: Progress) -> Plan:
    """Check everything that can be checked without training, and time a few steps."""
    quiet_libraries()
    with tempfile.TemporaryDirectory() as scratch:
        config = resolve_builtin(config, Path(scratch))
        prepared = prepare(config)
        progress.say("timing a few steps ...")
        teacher = load_classifier(
            prepared.opened, prepared.alignment.names, new_head=prepared.alignment.new_head
        )
    student = shrink(teacher, list(prepared.student_layers)) if prepared.student_layers else None
    shipped = student or teacher
    sizes = {"teacher": _parameters(teacher) * 4 / 1e6, "ONNX float": _parameters(shipped) * 4 / 1e6}
    if config.quantize.method == "dynamic":
        sizes["ONNX int8"] = _parameters(shipped) * 1.02 / 1e6
    return Plan(
        rows={name: len(getattr(prepared.splits, name)) for name in ("train", "validation", "test")},
        labels=list(prepared.alignment.names),
        notes=list(prepared.notes),
        length_histogram=prepared.lengths.histogram(),
        mean_length=prepared.lengths.mean,
        max_length=prepared.max_length,
        device=prepared.compute.device,
        precision="bf16" if prepared.compute.bf16 else "fp32",
        teacher_parameters=_parameters(teacher),
        teacher_layers=prepared.teacher_layers,
        student_parameters=None if student is None else _parameters(student),
        student_layers=None if prepared.student_layers is None else list(prepared.student_layers),
        expected_size_mb={name: round(size, 1) for name, size in sizes.items()},
        expected_seconds=_expected_seconds(config, prepared, teacher, student),
    )


def print_plan(
    recipe: object, overrides: Sequence[str], out: Path | None, progress: Progress, *, as_json: bool
) -> None:
    """Print the plan of a recipe for people, or as JSON."""
    config, name, _ = resolve(recipe, overrides)  # type: ignore[arg-type]  # str, Path or None
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
    if plan.student_layers and plan.student_parameters:
        layers = ", ".join(map(str, plan.student_layers))
        table.add_row("student", f"teacher layers {layers}; {plan.student_parameters:,} parameters")
    table.add_row("sizes", ", ".join(f"{what} {size} MB" for what, size in plan.expected_size_mb.items()))
    table.add_row("trains on", f"{plan.device}, {plan.precision}")
    for stage, seconds in plan.expected_seconds.items():
        table.add_row(f"  {stage}", f"about {_spoken(seconds)}")
    table.add_row("in all", f"about {_spoken(sum(plan.expected_seconds.values()))}")
    table.add_row("writes", str(out or Path("runs") / name))
    console = Console(highlight=False)
    console.print(table)
    for note in plan.notes:
        console.print(f"note: {note}", markup=False)


def _expected_seconds(
    config: RunConfig, prepared: Prepared, teacher: PreTrainedModel, student: PreTrainedModel | None
) -> dict[str, float]:
    rows = len(prepared.splits.train)
    tokens = min(max(4, round(prepared.lengths.mean)), prepared.max_length)
    device = prepared.compute.device
    seconds: dict[str, float] = {}
    if options := config.teacher.train:
        step = _step_seconds(
            teacher, options.batch_size, tokens, device, bf16=prepared.compute.bf16, backward=True
        )
        seconds["teacher, fine-tuning"] = step * training_steps(options, rows)
    if student is not None:
        step = _step_seconds(teacher, 32, tokens, device, bf16=False, backward=False)
        seconds["teacher's answers"] = step * (rows + len(prepared.splits.validation)) / 32
        for number, method in enumerate(config.distill, start=1):
            step = _step_seconds(
                student, method.batch_size, tokens, device, bf16=prepared.compute.bf16, backward=True
            )
            seconds[f"student, {number} {method.method}"] = step * training_steps(method, rows)
    seconds["export, proof, answers"] = FIXED_SECONDS
    seconds["latency"] = 2 * config.benchmark.seconds
    return {stage: round(value, 2) for stage, value in seconds.items()}


def _step_seconds(
    model: PreTrainedModel, batch: int, tokens: int, device: str, *, bf16: bool, backward: bool
) -> float:
    """Median seconds of one step on a batch of this shape, the optimiser's share included."""
    nn.Module.to(model, device).train(backward)
    ids = torch.randint(0, model.config.vocab_size, (batch, tokens), device=device)
    times = []
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.0) if backward else None
    for _ in range(TIMED_STEPS):
        start = time.perf_counter()
        with torch.set_grad_enabled(backward), torch.autocast(device, torch.bfloat16, enabled=bf16):
            logits = model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits
        if optimizer is not None:
            logits.float().logsumexp(-1).mean().backward()
            optimizer.step()
            optimizer.zero_grad()
        if device == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    model.eval()
    return sorted(times[1:])[len(times[1:]) // 2]


def _parameters(model: PreTrainedModel) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def _spoken(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 120 else f"{seconds:.0f} s"
