"""The story of general distillation: from raw text and an encoder to a smaller encoder."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional
from transformers import (
    AutoConfig,
    AutoModelForMaskedLM,
    AutoModelForSequenceClassification,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    set_seed,
)

from compress.data.rows import Rows
from compress.data.unlabeled import unlabeled_files
from compress.distill import Distill
from compress.errors import ModelError
from compress.general.lines import MaskedLines, TextLines
from compress.general.nearness import has_masked_lm_head, likeness, masked_words
from compress.general.recipe import GeneralConfig
from compress.general.report import EncoderReport
from compress.judge.machine import machine, versions
from compress.models.open import Opened, load_as, open_model
from compress.models.shrink import layer_count
from compress.models.teacher import source_digest
from compress.models.tokenizer import load_tokenizer, position_limit, save_tokenizer
from compress.models.trained import Trained
from compress.progress import Progress
from compress.quiet import quiet_libraries
from compress.stage import Stage, Stages, write_text
from compress.training.device import choose_compute
from compress.training.lesson import Batch, Lesson
from compress.training.loop import remove_checkpoints, train
from compress.workshop import Workshop

REPORT = "encoder.json"
HELD_OUT_AT_MOST = 2_000


@dataclass(frozen=True)
class Text:
    """The lines that teach and those that measure."""

    lines: TextLines
    teaching: NDArray[np.int64]
    held_out: NDArray[np.int64]
    max_length: int
    seed: int

    def rows(self, tokenizer: PreTrainedTokenizerFast, *, held_out: bool = False) -> MaskedLines:
        """Masked rows, as this tokenizer cuts them."""
        chosen = self.held_out if held_out else self.teaching
        return MaskedLines(self.lines, chosen, tokenizer, self.max_length, seed=self.seed)

    def digest(self) -> list[object]:
        """Files with their sizes and times, and what was chosen of them."""
        stats = [
            (str(file.resolve()), file.stat().st_size, file.stat().st_mtime_ns) for file in self.lines.files
        ]
        return [stats, len(self.teaching), len(self.held_out), self.max_length, self.seed]


def run_general(
    config: GeneralConfig, folder: Path, reproduce: str, progress: Progress, *, fresh: bool = False
) -> EncoderReport:
    """Teacher, student, stages of distillation, and an encoder in `folder/encoder`.

    Resumable as `compress.pipeline.run_recipe` is. Raises `UserError` for what the user can mend.
    """
    quiet_libraries()
    set_seed(config.seed)
    compute = choose_compute(config.device, config.precision)
    opened = open_model(config.teacher)
    config.student.config(opened.config)
    text = _read(config, opened)
    stages = Stages(folder / "stages")
    if fresh:
        stages.forget()
    workshop = Workshop(stages, progress, compute, config.seed, "accuracy", tuple(config.report_to))
    progress.say(f"{len(text.teaching):,} lines to learn from, {len(text.held_out):,} held out")

    teacher_stage = _teacher(workshop, config, opened, text)
    teacher = _load(teacher_stage.folder)
    stage = start = _start(workshop, config, teacher_stage, teacher, text)
    for number, method in enumerate(config.distill, start=1):
        stage = _learn(workshop, stage, teacher_stage, teacher, method, text, number)

    before, student = _load(start.folder), _load(stage.folder)
    held_out = text.rows(teacher.tokenizer, held_out=True)
    encoder = folder / "encoder"
    _publish(stage.folder, encoder)
    report = EncoderReport(
        encoder=str(encoder),
        lines=len(text.teaching),
        held_out=len(text.held_out),
        likeness=likeness(teacher.model, student.model, held_out),
        likeness_before=likeness(teacher.model, before.model, held_out),
        masked=masked_words(teacher.model, student.model, text.rows(teacher.tokenizer, held_out=True)),
        teacher_parameters=_encoder_parameters(teacher.model),
        student_parameters=_encoder_parameters(student.model),
        student_layers=layer_count(student.model.config),
        recipe=config.model_dump(mode="json", by_alias=True, exclude_none=True),
        machine=machine(),
        versions=versions(),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        seconds=dict(workshop.seconds),
        reproduce=reproduce,
    )
    write_text(folder / REPORT, report.model_dump_json(indent=2) + "\n")
    return report


class _MaskedLanguageModelling(Lesson):
    """Devlin et al. 2019, section 3.1: cross-entropy of the masked tokens."""

    def loss(self, batch: Batch) -> torch.Tensor:
        logits = self.answer(batch).float()
        return functional.cross_entropy(logits.flatten(0, 1), batch["labels"].flatten(), ignore_index=-100)


def _read(config: GeneralConfig, opened: Opened) -> Text:
    paths = [config.data.path] if isinstance(config.data.path, str) else config.data.path
    lines = TextLines(unlabeled_files(paths))
    order = np.random.default_rng(config.seed).permutation(len(lines)).astype(np.int64)
    if config.data.max_lines is not None:
        order = order[: config.data.max_lines]
    count = min(max(1, round(len(order) * config.data.held_out)), HELD_OUT_AT_MOST)
    max_length = min(config.data.max_length, position_limit(opened.tokenizer, opened.config))
    return Text(lines, np.sort(order[count:]), np.sort(order[:count]), max_length, config.seed)


def _teacher(workshop: Workshop, config: GeneralConfig, opened: Opened, text: Text) -> Stage:
    """The teacher as it is, or trained further on these lines; with the head that it has, or is to get."""
    options = config.teacher.train

    def work(folder: Path) -> Mapping[str, object]:
        own_head = any(name.endswith("ForMaskedLM") for name in opened.config.architectures or [])
        kind = AutoModelForMaskedLM if own_head or options else AutoModelForSequenceClassification
        model = load_as(kind, opened)
        _save(model, opened.tokenizer, text.max_length, folder)
        if options is None:
            return {}
        train(
            _MaskedLanguageModelling(model),
            text.rows(opened.tokenizer),
            None,
            options,
            workshop.session(folder, "teacher"),
        )
        _save(model, opened.tokenizer, text.max_length, folder)
        remove_checkpoints(folder)
        return {}

    inputs = {
        "model": source_digest(opened),
        "train": options and options.model_dump(),
        "text": text.digest() if options else text.max_length,
        "bf16": workshop.compute.bf16,
    }
    return workshop.do("teacher", inputs, work)


def _start(
    workshop: Workshop, config: GeneralConfig, teacher_stage: Stage, teacher: Trained, text: Text
) -> Stage:
    def work(folder: Path) -> Mapping[str, object]:
        set_seed(workshop.seed)
        sample = text.teaching[:: max(1, len(text.teaching) // 10_000)]
        rows = Rows([text.lines[int(index)] for index in sample], None)
        model, tokenizer = config.student.build(teacher, rows, workshop.compute.device)
        _save(model, tokenizer, text.max_length, folder)
        return {}

    inputs = {"teacher": teacher_stage.digest, "student": config.student.model_dump(by_alias=True)}
    return workshop.do("student-start", inputs, work)


def _learn(
    workshop: Workshop,
    before: Stage,
    teacher_stage: Stage,
    teacher: Trained,
    method: Distill,
    text: Text,
    number: int,
) -> Stage:
    def work(folder: Path) -> Mapping[str, object]:
        set_seed(workshop.seed)
        student = _load(before.folder)
        lesson = method.lesson(student, [teacher], workshop.compute.device)
        session = workshop.session(folder, f"student, {method.method}")
        train(lesson, text.rows(student.tokenizer), None, method, session)
        _save(student.model, student.tokenizer, text.max_length, folder)
        remove_checkpoints(folder)
        return {}

    inputs = {
        "student": before.digest,
        "teacher": teacher_stage.digest,
        "method": method.model_dump(),
        "text": text.digest(),
        "bf16": workshop.compute.bf16,
    }
    return workshop.do(f"student-{number}-{method.method}", inputs, work)


def _save(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, max_length: int, folder: Path) -> None:
    model.float().cpu().save_pretrained(str(folder))
    save_tokenizer(tokenizer, folder, max_length)


def _load(folder: Path) -> Trained:
    """A model of a stage, with the head that it was saved with."""
    tokenizer = load_tokenizer(str(folder))
    config = AutoConfig.from_pretrained(str(folder))
    own_head = any(name.endswith("ForMaskedLM") for name in config.architectures or [])
    kind = AutoModelForMaskedLM if own_head else AutoModelForSequenceClassification
    model = kind.from_pretrained(str(folder), dtype=torch.float32).eval()
    return Trained(model, tokenizer, (), int(tokenizer.model_max_length), folder)


def _publish(made: Path, encoder: Path) -> None:
    """The last stage's model as a folder that other recipes take; a head that nothing trained stays out of it."""
    trained = _load(made)
    temporary = encoder.with_name(encoder.name + ".part")
    shutil.rmtree(temporary, ignore_errors=True)
    model = trained.model if has_masked_lm_head(trained.model) else trained.model.base_model
    if not isinstance(model, PreTrainedModel):
        raise ModelError(
            "the encoder cannot be taken out of its model", "a transformers encoder", "report this"
        )
    _save(model, trained.tokenizer, trained.max_length, temporary)
    shutil.rmtree(encoder, ignore_errors=True)
    temporary.rename(encoder)


def _encoder_parameters(model: PreTrainedModel) -> int:
    return sum(parameter.numel() for parameter in model.base_model.parameters())
