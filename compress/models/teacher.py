"""The teacher: used as it is or fine-tuned first, its labels aligned with the data's, judged before all else."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import PreTrainedModel

from compress.data.labels import align, is_generic, normal_form
from compress.data.rows import Rows, Splits
from compress.errors import DataError, ModelError
from compress.models.layer_drop import dropped_layers
from compress.models.open import Opened, load_classifier
from compress.models.predict import TorchPredictor
from compress.models.trained import Trained, load_trained, save_trained, write_answering
from compress.recipe import TeacherOptions
from compress.tasks import SINGLE_LABEL, Task
from compress.training.encoded import EncodedRows
from compress.training.lesson import Batch, Lesson
from compress.training.loop import Session, remove_checkpoints, train
from serve.bundle import sha256
from serve.tasks import Answering


class _FineTuning(Lesson):
    def __init__(self, model: PreTrainedModel, layer_drop: float) -> None:
        super().__init__(model)
        self._layer_drop = layer_drop

    def loss(self, batch: Batch) -> torch.Tensor:
        with dropped_layers(self.student, self._layer_drop):
            logits = self.answer(batch)
        return self.task.hard_loss(logits, batch["labels"])


@dataclass(frozen=True)
class Alignment:
    """How the data's label ids and the teacher's outputs go together."""

    names: tuple[str, ...]  # in the order of the teacher's outputs
    output_of: NDArray[np.int64] | None  # for each label id of the data, the teacher's output
    new_head: bool
    task: Task = SINGLE_LABEL

    def apply(self, splits: Splits) -> Splits:
        """The splits with label ids that are the teacher's outputs."""
        output_of = self.output_of
        if output_of is None:
            return replace(splits, label_names=self.names)

        def mapped(rows: Rows) -> Rows:
            return (
                rows
                if rows.labels is None
                else rows.with_labels(self.task.relabelled(rows.labels, output_of))
            )

        return replace(
            splits,
            train=mapped(splits.train),
            validation=mapped(splits.validation),
            test=mapped(splits.test),
            label_names=self.names,
        )


def align_teacher(
    opened: Opened,
    options: TeacherOptions,
    splits: Splits,
    *,
    named_by_recipe: bool,
    task: Task = SINGLE_LABEL,
) -> Alignment:
    """Decide whose labels are which; raises where names do not settle it or nothing was ever trained."""
    if not opened.is_trained_for(task) and options.train is None:
        saved_as = ", ".join(opened.config.architectures or ["an unknown class"])
        raise ModelError(
            f"{options.model} has no trained {task.head_in_words}: it was saved as {saved_as}",
            "a model that was fine-tuned on the task, or teacher.train to fine-tune it here",
            "add teacher.train: {epochs: 3, learning_rate: 5e-5}",
        )
    if options.train is None:
        task.check_head(options.model, opened.label_names, getattr(opened.config, "problem_type", None))
    if not splits.is_labelled:
        if options.train is not None:
            raise DataError(
                "the data has no labels, and the recipe fine-tunes the teacher on it (teacher.train)",
                "labels to train on, or a teacher that is used as it is",
                "set data.columns.label, or take teacher.train out",
            )
        names = opened.label_names if task.names_outputs else _unnamed(opened, options, task).names
        return Alignment(names, None, new_head=False, task=task)
    if not task.names_outputs:
        return _unnamed(opened, options, task)
    data_names = splits.label_names or tuple(map(str, range(splits.label_count)))
    if options.train is not None and not _same_labels(opened, splits, task):
        identity = np.arange(splits.label_count, dtype=np.int64)
        return Alignment(data_names, identity, new_head=True, task=task)
    output_of = align(
        opened.label_names, splits.label_names, splits.label_count, named_by_recipe=named_by_recipe
    )
    names = data_names if is_generic(opened.label_names) and splits.label_names else opened.label_names
    return Alignment(names, output_of, new_head=False, task=task)


def _unnamed(opened: Opened, options: TeacherOptions, task: Task) -> Alignment:
    """Of a task whose outputs stand for no labels: the head is the model's own, where it has one of that width."""
    own = opened.is_trained_for(task) and task.fits_outputs(len(opened.label_names))
    # The name of a single output is kept; of several ones it is known what they are.
    names = opened.label_names if own and len(task.output_names) == 1 else task.output_names
    return Alignment(names, None, new_head=not own and options.train is not None, task=task)


def tuned(trained: Trained, selection: Rows, session: Session) -> Answering:
    """How the model answers, with what its task tunes on the selection rows."""
    assert selection.labels is not None
    rows = selection.take(np.flatnonzero(trained.task.has_label(selection.labels)))
    logits = TorchPredictor(trained, device=session.compute.device).logits(rows.texts)
    return trained.task.tuned_on(session.metric_name, logits, rows, trained)


def make_teacher(
    opened: Opened,
    options: TeacherOptions,
    alignment: Alignment,
    splits: Splits,
    max_length: int,
    session: Session,
) -> Mapping[str, object]:
    """Fill the stage's folder with the teacher; returns its score on the selection rows where it was trained."""
    task = alignment.task
    model = load_classifier(opened, alignment.names, new_head=alignment.new_head, task=task)
    # A new head is drawn at random: the seed makes it the same one in a run that is resumed.
    save_trained(
        model, opened.tokenizer, alignment.names, max_length, session.folder, task.default_answering()
    )
    if options.train is None:
        if task.is_tuned and splits.is_labelled:
            used = load_trained(session.folder, trust_remote_code=options.trust_remote_code)
            write_answering(tuned(used, splits.validation, session), session.folder)
        return {"selection_score": None}
    start = load_trained(session.folder, trust_remote_code=options.trust_remote_code)

    best = train(
        _FineTuning(start.model, options.train.layer_drop),
        EncodedRows(start, splits.train),
        EncodedRows(start, splits.validation),
        options.train,
        session,
    )
    answering = tuned(start, splits.validation, session) if task.is_tuned else task.default_answering()
    save_trained(start.model, opened.tokenizer, alignment.names, max_length, session.folder, answering)
    remove_checkpoints(session.folder)
    return {"selection_score": best}


def source_digest(opened: Opened) -> str:
    """What identifies the model that was opened: hashes of a folder's files, or the Hub's commit."""
    commit = getattr(opened.config, "_commit_hash", None)
    if commit:
        return f"{opened.source}@{commit}"
    folder = Path(opened.source)
    files = sorted(
        file
        for file in folder.iterdir()
        if file.is_file() and file.suffix in {".json", ".safetensors", ".bin", ".txt"}
    )
    # How a sentence encoder pools stands in a folder below.
    pooling = sorted(folder.glob("*_Pooling/config.json"))
    return " ".join(f"{file.name}:{sha256(file)[:16]}" for file in (*files, *pooling))


def check_teacher(
    labels: Sequence[str], logits: NDArray[np.float32], rows: Rows, task: Task = SINGLE_LABEL
) -> float:
    """The teacher's score on the selection rows; raises `ModelError` for one that guesses: `Task.check_teacher`."""
    return task.check_teacher(labels, logits, rows)[1]


def _same_labels(opened: Opened, splits: Splits, task: Task) -> bool:
    if not opened.is_trained_for(task) or splits.label_names is None:
        return False
    return sorted(map(normal_form, opened.label_names)) == sorted(map(normal_form, splits.label_names))
