"""What a recipe asks for that does not go together with its task, its data, its models or its device."""

from collections.abc import Sequence

import numpy as np
from tokenizers import Tokenizer

from compress.data.rows import Splits
from compress.distill import Plain
from compress.errors import DataError, ModelError, UserError
from compress.models.open import Opened
from compress.recipe import RunConfig
from compress.students import BiLstm, TextCnn
from compress.tasks import SINGLE_LABEL, Task
from compress.training.device import Compute
from export.quantize import Auto, Float16, KeepFloat, Quantiser


def require_device(quantize: Quantiser | Auto | KeepFloat, compute: Compute) -> None:
    """Raise `UserError` for a file that the run's device would only be slowed down by."""
    if isinstance(quantize, Float16) and compute.device != "cuda":
        raise UserError(
            f"quantize.method is fp16, and the device of this run is {compute.device}",
            "a CUDA device: a processor computes float16 in float32 and is no faster for it",
            "set quantize.method: auto, or device: cuda on a machine with a GPU",
        )


def require_average(config: RunConfig, task: Task) -> None:
    """Raise `ModelError` for several teachers of a task whose answers have no mean."""
    if len(config.teachers) > 1 and not task.averages:
        raise ModelError(
            f"the recipe has {len(config.teachers)} teachers, and the vectors of two models have no mean",
            "one teacher for task: " + task.name,
            "keep one of them",
        )


def require_student_of_task(config: RunConfig, task: Task) -> None:
    """Raise `ModelError` for a student that classifies texts, where the task is another."""
    if isinstance(config.student, BiLstm | TextCnn) and task.head != SINGLE_LABEL.head:
        raise ModelError(
            f"student.architecture is {config.student.architecture}, which answers texts with labels",
            f"an encoder, for task: {task.name}",
            "make the student from the teacher: student: {layers: 3}, or name a pretrained one: student: {model: ...}",
        )


def require_same_tokens(teachers: Sequence[Opened], task: Task) -> None:
    """Raise `ModelError` where several teachers answer for each token and their tokens are not the same."""
    ways = set()
    for one in teachers:
        tokenizer = Tokenizer.from_str(one.tokenizer.backend_tokenizer.to_str())
        tokenizer.no_padding()
        tokenizer.no_truncation()
        ways.add(tokenizer.to_str())
    if any(output.per_token for output in task.default_answering().outputs(1)) and len(ways) > 1:
        raise ModelError(
            "the teachers cut texts into different tokens, and their answers for each token cannot be averaged",
            f"teachers with the same tokenizer, for {task.name}",
            "keep those that share one, or one teacher",
        )


def require_scores(config: RunConfig, splits: Splits, task: Task) -> None:
    """Raise `DataError` where the recipe learns from scores, or is judged by them, and all are the same."""
    labels = splits.train.labels
    if not task.answers_as.EMBEDS or labels is None or len(np.unique(labels)) > 1:
        return
    asked = ["teacher.train" for one in config.teachers if one.train is not None]
    asked += ["baseline: true"] if config.baseline else []
    asked += ["method: plain" for method in config.distill if isinstance(method, Plain)]
    asked += [f"metric: {config.metric}"] if config.metric in ("spearman", "pearson") else []
    if asked:
        raise DataError(
            f"{asked[0]} needs scores that differ, and every pair is a partner of the same score",
            "scores, or what learns from the teacher alone, judged by recall_at_1, recall_at_10 or mrr",
            "take it out, set metric: mrr, or set data.columns.label to a column of scores",
        )


def require_data_asked_for(config: RunConfig, splits: Splits) -> None:
    """Raise `DataError` where the recipe asks for what data without labels, or pairs of texts, cannot give."""
    if not splits.is_labelled:
        _without_labels(config)
    if splits.train.are_pairs:
        _of_pairs(config)


def _without_labels(config: RunConfig) -> None:
    """Raise `DataError` where the recipe asks for what only labels can teach."""
    asked = ["baseline: true"] if config.baseline else []
    asked += [
        f"distill.{number}: method: plain"
        for number, method in enumerate(config.distill)
        if isinstance(method, Plain)
    ]
    if asked:
        raise DataError(
            f"{asked[0]} trains a student on labels, and the data has none",
            "labels to learn from",
            "take it out, or set data.columns.label",
        )


def _of_pairs(config: RunConfig) -> None:
    """Raise `DataError` where the recipe asks for what only single texts can have."""
    if config.augment is not None:
        single_texts_only = "augment:"
    elif config.data.unlabeled is not None and not config.built_task.answers_as.READS_EACH:
        single_texts_only = "data.unlabeled:"
    else:
        return
    raise DataError(
        f"{single_texts_only} is asked for, and the data has pairs of texts",
        "single texts: files of texts hold no pairs, and a word changed in one of two changes what both mean",
        "take it out",
    )
