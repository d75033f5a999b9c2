"""The teacher: used as it is or fine-tuned first, its labels aligned with the data's, judged before all else."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional
from transformers import PreTrainedModel

from compress.data.labels import align, is_generic, normal_form
from compress.data.rows import Rows, Splits
from compress.errors import DataError, ModelError
from compress.judge.metrics import score
from compress.models.layer_drop import dropped_layers
from compress.models.open import Opened, load_classifier
from compress.models.trained import load_trained, save_trained
from compress.recipe import TeacherOptions
from compress.training.encoded import EncodedRows
from compress.training.lesson import Batch, Lesson
from compress.training.loop import Session, remove_checkpoints, train
from serve.bundle import sha256


class _FineTuning(Lesson):
    def __init__(self, model: PreTrainedModel, layer_drop: float) -> None:
        super().__init__(model)
        self._layer_drop = layer_drop

    def loss(self, batch: Batch) -> torch.Tensor:
        with dropped_layers(self.student, self._layer_drop):
            logits = self.answer(batch)
        return functional.cross_entropy(logits.float(), batch["labels"])


@dataclass(frozen=True)
class Alignment:
    """How the data's label ids and the teacher's outputs go together."""

    names: tuple[str, ...]  # in the order of the teacher's outputs
    output_of: NDArray[np.int64] | None  # for each label id of the data, the teacher's output
    new_head: bool

    def apply(self, splits: Splits) -> Splits:
        """The splits with label ids that are the teacher's outputs."""
        output_of = self.output_of
        if output_of is None:
            return replace(splits, label_names=self.names)

        def mapped(rows: Rows) -> Rows:
            return rows if rows.labels is None else rows.with_labels(output_of[rows.labels])

        return replace(
            splits,
            train=mapped(splits.train),
            validation=mapped(splits.validation),
            test=mapped(splits.test),
            label_names=self.names,
        )


def align_teacher(
    opened: Opened, options: TeacherOptions, splits: Splits, *, named_by_recipe: bool
) -> Alignment:
    """Decide whose labels are which; raises where names do not settle it or nothing was ever trained."""
    if not opened.has_trained_head and options.train is None:
        saved_as = ", ".join(opened.config.architectures or ["an unknown class"])
        raise ModelError(
            f"{options.model} has no trained classification head: it was saved as {saved_as}",
            "a model that was fine-tuned on the task, or teacher.train to fine-tune it here",
            "add teacher.train: {epochs: 3, learning_rate: 5e-5}",
        )
    _require_single_label(opened, options)
    if not splits.is_labelled:
        if options.train is not None:
            raise DataError(
                "the data has no labels, and the recipe fine-tunes the teacher on it (teacher.train)",
                "labels to train on, or a teacher that is used as it is",
                "set data.columns.label, or take teacher.train out",
            )
        return Alignment(opened.label_names, None, new_head=False)
    data_names = splits.label_names or tuple(map(str, range(splits.label_count)))
    if options.train is not None and not _same_labels(opened, splits):
        return Alignment(data_names, np.arange(splits.label_count, dtype=np.int64), new_head=True)
    output_of = align(
        opened.label_names, splits.label_names, splits.label_count, named_by_recipe=named_by_recipe
    )
    names = data_names if is_generic(opened.label_names) and splits.label_names else opened.label_names
    return Alignment(names, output_of, new_head=False)


def _require_single_label(opened: Opened, options: TeacherOptions) -> None:
    problem = getattr(opened.config, "problem_type", None)
    if options.train is not None or (
        len(opened.label_names) > 1 and problem in {None, "single_label_classification"}
    ):
        return
    raise ModelError(
        f"{options.model} is a model for {problem or 'regression'}, with {len(opened.label_names)} outputs",
        "a classifier that gives each text one of at least two labels",
        "several labels per text and regression are not built yet",
    )


def make_teacher(
    opened: Opened,
    options: TeacherOptions,
    alignment: Alignment,
    splits: Splits,
    max_length: int,
    session: Session,
) -> Mapping[str, object]:
    """Fill the stage's folder with the teacher; returns its score on the selection rows where it was trained."""
    model = load_classifier(opened, alignment.names, new_head=alignment.new_head)
    # A new head is drawn at random: the seed makes it the same one in a run that is resumed.
    save_trained(model, opened.tokenizer, alignment.names, max_length, session.folder)
    if options.train is None:
        return {"selection_score": None}
    start = load_trained(session.folder, trust_remote_code=options.trust_remote_code)

    best = train(
        _FineTuning(start.model, options.train.layer_drop),
        EncodedRows(start, splits.train),
        EncodedRows(start, splits.validation),
        options.train,
        session,
    )
    save_trained(start.model, opened.tokenizer, alignment.names, max_length, session.folder)
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
    return " ".join(f"{file.name}:{sha256(file)[:16]}" for file in files)


def check_teacher(labels: Sequence[str], logits: NDArray[np.float32], rows: Rows) -> float:
    """The teacher's accuracy on the selection rows; raises `ModelError` at chance or majority level.

    Matthews correlation is 0 for guessing and for always naming the majority, whatever the labels'
    shares; a teacher must be two standard errors above that.
    """
    assert rows.labels is not None
    predicted = logits.argmax(axis=1)
    accuracy = score("accuracy", rows.labels, predicted, len(labels))
    correlation = score("matthews", rows.labels, predicted, len(labels))
    if correlation >= min(max(0.05, 2 / np.sqrt(len(rows))), 0.5):
        return accuracy
    majority = float(np.bincount(rows.labels).max() / len(rows))
    raise ModelError(
        f"the teacher answers at chance: accuracy {accuracy:.3f} on {len(rows):,} rows, "
        f"where always naming the commonest label gives {majority:.3f}",
        "a teacher that knows the task",
        "check that it was fine-tuned on these labels, in this order, or fine-tune it with teacher.train",
    )


def _same_labels(opened: Opened, splits: Splits) -> bool:
    if not opened.has_trained_head or splits.label_names is None:
        return False
    return sorted(map(normal_form, opened.label_names)) == sorted(map(normal_form, splits.label_names))
