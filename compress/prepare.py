"""Everything that can be checked and decided before anything is trained."""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import PackageNotFoundError, distribution
from typing import TypeVar

from transformers import PreTrainedConfig

from compress.clashes import (
    require_average,
    require_data_asked_for,
    require_device,
    require_same_tokens,
    require_scores,
    require_student_of_task,
)
from compress.data.generalization import load_generalization, overlaps
from compress.data.load import load_splits
from compress.data.rows import Rows, Splits
from compress.data.unlabeled import read_unlabeled
from compress.distill import Distill
from compress.distill.rehearsal import rehearse
from compress.errors import SeveralMistakesError, UserError
from compress.models.layer_drop import require_droppable_layers
from compress.models.lengths import Lengths, choose_max_length, measure_lengths
from compress.models.open import Opened, open_model
from compress.models.teacher import Alignment, align_teacher
from compress.models.teachers import spelled_as_first
from compress.models.tokenizer import position_limit
from compress.recipe import RunConfig, TeacherOptions
from compress.students import Pretrained
from compress.tasks import SINGLE_LABEL, Task
from compress.training.device import Compute, choose_compute

T = TypeVar("T")
_TEXTS_TO_CUT = 256
_UNKNOWN_AT_MOST = 0.02  # of the tokens, special ones included, before it is worth a note


@dataclass(frozen=True)
class PreparedTeacher:
    """A teacher that was found to fit the data."""

    options: TeacherOptions
    opened: Opened
    alignment: Alignment
    splits: Splits  # label ids are this teacher's outputs


@dataclass(frozen=True)
class Prepared:
    """Data and teachers, found to fit each other and the recipe."""

    splits: Splits  # label ids are the first teacher's outputs
    teachers: tuple[PreparedTeacher, ...]
    unlabeled: list[str]
    generalization: dict[str, Rows]  # by name in the recipe; label ids as in `splits`
    lengths: Lengths
    max_length: int
    student_config: PreTrainedConfig | None  # None without a student
    compute: Compute
    notes: tuple[str, ...]
    task: Task = SINGLE_LABEL

    @property
    def labels(self) -> tuple[str, ...]:
        """In the order of the first teacher's outputs."""
        return self.teachers[0].alignment.names


def prepare(config: RunConfig) -> Prepared:
    """Read data and models, align labels, choose lengths; every fault that can be seen is told at once."""
    faults: list[UserError] = []

    def attempt(step: Callable[[], T]) -> T | None:
        try:
            return step()
        except UserError as error:
            faults.append(error)
            return None

    compute = attempt(lambda: choose_compute(config.device, config.precision))
    if compute is not None:
        attempt(partial(require_device, config.quantize, compute))
    task = config.built_task
    opened = [attempt(partial(open_model, options, task)) for options in config.teachers]
    if config.student is not None and opened[0] is not None:
        attempt(partial(config.student.config, opened[0].config))
    for options, one in zip(config.teachers, opened, strict=True):
        if one is not None and options.train is not None and options.train.layer_drop:
            attempt(partial(require_droppable_layers, one.config))
    attempt(lambda: require_average(config, task))
    attempt(lambda: require_student_of_task(config, task))
    splits = attempt(lambda: task.labelled_for(config.metric, load_splits(config.data, config.seed, task)))
    unlabeled = attempt(lambda: _unlabeled(config))
    elsewhere = attempt(lambda: load_generalization(config.data, splits, task)) if splits else None
    _raise(faults)
    assert compute is not None
    assert splits is not None
    require_scores(config, splits, task)
    task = task.settled(splits.train.labels)
    teachers = tuple(
        _fit_teacher(options, one, splits, config, task)
        for options, one in zip(config.teachers, opened, strict=True)
        if one is not None
    )
    names = [teacher.alignment.names for teacher in teachers]
    task = task.for_labels(names[0])
    for number, others in enumerate(names[1:], start=2):
        spelled_as_first(others, names[0], number)
    require_data_asked_for(config, splits)
    require_same_tokens([one.opened for one in teachers], task)
    lengths = measure_lengths(teachers[0].opened.tokenizer, task.answers_as.singly(splits.train.texts))
    limit = min(position_limit(one.opened.tokenizer, one.opened.config) for one in teachers)
    max_length = choose_max_length(config.data.max_length, lengths, limit)
    elsewhere = elsewhere or {}
    notes = [
        *splits.notes,
        *overlaps(elsewhere, splits),
        *_clashing_runtimes(),
        *_worth_knowing(config, splits, task, lengths, max_length),
    ]
    prepared = Prepared(
        teachers[0].splits,
        teachers,
        unlabeled or [],
        {
            name: teachers[0].alignment.apply(replace(splits, test=rows)).test
            for name, rows in elsewhere.items()
        },
        lengths,
        max_length,
        _student_config(config, teachers[0]),
        compute,
        tuple(notes),
        task,
    )
    check_methods(
        config, prepared, {f"distill.{number}": method for number, method in enumerate(config.distill)}
    )
    return prepared


def _worth_knowing(
    config: RunConfig, splits: Splits, task: Task, lengths: Lengths, max_length: int
) -> list[str]:
    """What was decided, for people."""
    notes = []
    if cut := lengths.share_over(max_length):
        windows = task.answers_as.READS_WINDOWS
        notes.append(
            f"{cut:.2%} of the training texts are longer than {max_length} tokens and "
            + ("are read in windows" if windows else "lose their end")
        )
    if lengths.unknown > _UNKNOWN_AT_MOST:
        notes.append(
            f"{lengths.unknown:.1%} of the tokens of the training texts are unknown to the teacher's tokenizer, which "
            "reads them all as one: a teacher of this language has their characters in its vocabulary"
        )
    if not task.answers_as.ONE_LABEL:
        notes.append(f"agreement is the share of {task.agreement_means}")
    if task.is_tuned and splits.is_labelled:
        notes.append(f"tuned for each model on the {len(splits.validation):,} selection rows: {task.tunes}")
    if config.export.target == "cuda":
        notes.append("the file for CUDA is proven and measured on the processor; nothing is timed on a GPU")
    return notes


def check_methods(config: RunConfig, prepared: Prepared, methods: Mapping[str, Distill]) -> None:
    """Raise what these methods, by the place where they were asked for, refuse of the recipe's models."""
    if prepared.student_config is None:
        return
    teachers = [named(one.opened.config, prepared.labels, prepared.task) for one in prepared.teachers]
    looks_inside = any(method.looks_inside for method in methods.values())
    same_tokens = not looks_inside or _cuts_alike(config, prepared)
    _raise(rehearse(methods, prepared.student_config, teachers, same_tokens=same_tokens, task=prepared.task))


def named(config: PreTrainedConfig, labels: tuple[str, ...], task: Task = SINGLE_LABEL) -> PreTrainedConfig:
    """The same config with these labels and the task's kind of problem."""
    config = copy.deepcopy(config)
    if task is not SINGLE_LABEL and task.problem_type is not None:
        config.problem_type = task.problem_type  # type: ignore[assignment]  # transformers lists its words
    config.num_labels = len(labels)
    config.id2label = dict(enumerate(labels))
    config.label2id = {label: index for index, label in enumerate(labels)}
    return config


def _student_config(config: RunConfig, teacher: PreparedTeacher) -> PreTrainedConfig | None:
    if config.student is None:
        return None
    alignment = teacher.alignment
    return config.student.config(named(teacher.opened.config, alignment.names, alignment.task))


def _cuts_alike(config: RunConfig, prepared: Prepared) -> bool:
    """Student and teacher cut some of the texts into as many tokens each."""
    if not isinstance(config.student, Pretrained):
        return True
    ours = open_model(config.student, prepared.task)
    limit = min(prepared.max_length, position_limit(ours.tokenizer, ours.config))
    texts = prepared.task.answers_as.singly(prepared.splits.train.texts[:_TEXTS_TO_CUT])
    counts = [
        [len(ids) for ids in tokenizer(texts, truncation=True, max_length=most, padding=False)["input_ids"]]
        for tokenizer, most in (
            (ours.tokenizer, limit),
            (prepared.teachers[0].opened.tokenizer, prepared.max_length),
        )
    ]
    return counts[0] == counts[1]


def _raise(faults: Sequence[UserError]) -> None:
    if faults:
        raise faults[0] if len(faults) == 1 else SeveralMistakesError(faults)


def _fit_teacher(
    options: TeacherOptions, opened: Opened, splits: Splits, config: RunConfig, task: Task
) -> PreparedTeacher:
    alignment = align_teacher(
        opened, options, splits, named_by_recipe=config.data.labels is not None, task=task
    )
    return PreparedTeacher(options, opened, alignment, alignment.apply(splits))


def _unlabeled(config: RunConfig) -> list[str]:
    patterns = config.data.unlabeled
    if patterns is None:
        return []
    return read_unlabeled([patterns] if isinstance(patterns, str) else patterns, config.data.columns.text)


def _clashing_runtimes() -> list[str]:
    installed = [name for name in ("onnxruntime", "onnxruntime-gpu") if find_distribution(name)]
    if len(installed) < 2:
        return []
    return [
        "onnxruntime and onnxruntime-gpu are both installed, and the CUDA provider vanishes: keep one "
        "(pip uninstall -y onnxruntime onnxruntime-gpu && pip install onnxruntime-gpu)"
    ]


def find_distribution(name: str) -> bool:
    """A distribution of this name is installed."""
    try:
        distribution(name)
    except PackageNotFoundError:
        return False
    return True
