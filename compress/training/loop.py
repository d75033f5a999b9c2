"""One training loop for teachers and students, on `transformers.Trainer`.

Batches of like length padded to their longest, bfloat16 where the machine has it, the best checkpoint by
the task's metric, and resumable: a checkpoint that lies in the folder is gone on from.
"""

import json
import logging
import shutil
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from transformers import EvalPrediction, PrinterCallback, Trainer, TrainingArguments
from transformers.trainer_utils import get_last_checkpoint

from compress.errors import UserError
from compress.progress import Progress
from compress.training.allocator import keeping_freed_memory
from compress.training.device import Compute
from compress.training.history import keep_history
from compress.training.lesson import Lesson
from compress.training.options import TrainOptions
from compress.training.rows import TrainingRows
from compress.training.sampling import SeededLengthSampler
from compress.training.used_words import TokenIds, only_used_words
from compress.training.watch import ProgressCallback

MOST_STEPS_BETWEEN_CHECKPOINTS = 500
CHECKPOINTS = "checkpoints"

Score = Callable[[NDArray[Any], NDArray[np.float32]], float]  # of labels and logits


@dataclass(frozen=True)
class Session:
    """What a training needs besides its model and its data."""

    folder: Path  # of the stage; checkpoints lie in it until the stage is complete
    title: str
    seed: int
    compute: Compute
    score: Score
    metric_name: str
    report_to: tuple[str, ...]
    progress: Progress


def train(
    lesson: Lesson,
    train_rows: TrainingRows,
    selection_rows: TrainingRows | None,
    options: TrainOptions,
    session: Session,
) -> float | None:
    """Train in place, end with the weights of the state that `options` keeps, and return its score.

    The score is that on the selection rows; None where the last state is kept: without selection rows, or
    with options that say so.
    """
    with only_used_words(lesson, _token_ids(train_rows, selection_rows)):
        return _train(lesson, train_rows, selection_rows, options, session)


def _token_ids(*parts: TrainingRows | None) -> TokenIds | None:
    """Those that the batches of all parts can hold; None where one of them does not know."""
    known = [rows.token_ids for rows in parts if rows is not None]
    return (
        None
        if any(ids is None for ids in known)
        else np.concatenate([ids for ids in known if ids is not None])
    )


def _train(
    lesson: Lesson,
    train_rows: TrainingRows,
    selection_rows: TrainingRows | None,
    options: TrainOptions,
    session: Session,
) -> float | None:
    selects = selection_rows is not None and options.selects == "best"
    # Resolved, because a checkpoint remembers where the best one lies.
    checkpoints = (session.folder / CHECKPOINTS).resolve()
    try:
        trainer = _LessonTrainer(
            model=lesson,
            args=_arguments(options, session, len(train_rows), checkpoints, selects=selects),
            train_dataset=train_rows,
            eval_dataset=selection_rows if selects else None,
            data_collator=train_rows.collate,
            compute_metrics=_scorer(session),
        )
    except (ImportError, RuntimeError, ValueError) as error:
        if not session.report_to:
            raise
        raise UserError(
            f"training cannot report to {', '.join(session.report_to)}: {error}",
            "trackers that transformers.Trainer knows and that are installed",
            "pip install the tracker (for example tensorboard), or take it out of report_to",
        ) from None
    trainer.remove_callback(PrinterCallback)  # it prints to stdout, which belongs to results
    last = _last_whole_checkpoint(checkpoints)
    if last is not None:
        session.progress.say(f"{session.title}: going on from step {last.rpartition('-')[2]}")
    steps = lesson.total_steps = trainer.args.max_steps
    with session.progress.bar(session.title, steps) as advance, keeping_freed_memory():
        trainer.add_callback(ProgressCallback(advance))
        trainer.train(resume_from_checkpoint=last)
    keep_history(trainer.state, session.metric_name, session.folder)
    best = trainer.state.best_metric
    return None if best is None else float(best)


def training_steps(options: TrainOptions, rows: int) -> int:
    """How many optimiser steps a training takes."""
    per_epoch = -(-rows // options.batch_size)
    return max(1, round(options.epochs * per_epoch))


def remove_checkpoints(stage_folder: Path) -> None:
    """To be called once the weights are saved; what is left is a tracker's log, where one was asked for."""
    folder = stage_folder / CHECKPOINTS
    for checkpoint in folder.glob("checkpoint-*"):
        shutil.rmtree(checkpoint)
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


def _last_whole_checkpoint(folder: Path) -> str | None:
    """The last checkpoint that was written to its end; one that a kill cut off is removed.

    Trainer writes a checkpoint file by file, its state last, and would stumble over half of one.
    """
    for checkpoint in folder.glob("checkpoint-*"):
        try:
            json.loads((checkpoint / "trainer_state.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            shutil.rmtree(checkpoint)
    return get_last_checkpoint(str(folder)) if folder.is_dir() else None


class _LessonTrainer(Trainer):
    """A Trainer of a `Lesson`, with batches that follow from the seed alone."""

    def _get_train_sampler(self, train_dataset: object = None) -> SeededLengthSampler:
        rows = train_dataset or self.train_dataset
        assert isinstance(rows, TrainingRows)
        return SeededLengthSampler(rows, self.args.train_batch_size, self.args.seed)

    def _determine_best_metric(self, metrics: dict[str, float], trial: Any) -> bool:
        """Of states that score the same the later one is kept: it has learnt longer, at a lower rate."""
        best, score = self.state.best_metric, metrics.get(f"eval_{self.args.metric_for_best_model}")
        if best is not None and score == best:
            self.state.best_metric = None
        return bool(super()._determine_best_metric(metrics, trial))

    # A head that fills in masks shares its weights with the embeddings. safetensors writes no weights twice, so
    # one of their names is not in a checkpoint.

    def _save(self, output_dir: str | None = None, state_dict: dict[str, Any] | None = None) -> None:
        assert isinstance(self.model, nn.Module)
        names = _names_of_weights(self.model)
        whole = self.model.state_dict() if state_dict is None else state_dict
        super()._save(output_dir, {name: value for name, value in whole.items() if name in names})

    def _issue_warnings_after_load(self, load_result: Any) -> None:
        assert isinstance(self.model, nn.Module)
        missing = _names_of_weights(self.model).intersection(load_result.missing_keys)
        if missing or load_result.unexpected_keys:
            raise RuntimeError(f"a checkpoint of another model: {missing or load_result.unexpected_keys}")

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, torch.Tensor],
        return_outputs: bool = False,
        num_items_in_batch: object = None,  # noqa: ARG002 - Trainer's signature
    ) -> Any:
        outputs = model(**inputs)
        # Without a loss there is a selection going on, which looks at the logits alone.
        loss = outputs["loss"] if "loss" in outputs else outputs["logits"].new_zeros(())
        return (loss, outputs) if return_outputs else loss


def _names_of_weights(model: nn.Module) -> set[str]:
    """One name for each, the first that it has."""
    return {name for name, _ in (*model.named_parameters(), *model.named_buffers())}


def _arguments(
    options: TrainOptions, session: Session, rows: int, checkpoints: Path, *, selects: bool
) -> TrainingArguments:
    steps = training_steps(options, rows)
    per_epoch = -(-rows // options.batch_size)
    every = options.checkpoint_steps or min(per_epoch, MOST_STEPS_BETWEEN_CHECKPOINTS, steps)
    logging.getLogger("transformers.trainer").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", message=".*pin_memory.*")
    return TrainingArguments(
        output_dir=str(checkpoints),
        max_steps=steps,
        per_device_train_batch_size=options.batch_size,
        per_device_eval_batch_size=max(64, options.batch_size),
        learning_rate=options.learning_rate,
        warmup_steps=round(options.warmup_ratio * steps),
        weight_decay=options.weight_decay,
        train_sampling_strategy="group_by_length",
        eval_strategy="steps" if selects else "no",
        eval_steps=every,
        save_strategy="steps",
        save_steps=every,
        save_total_limit=2,
        load_best_model_at_end=selects,
        metric_for_best_model=session.metric_name if selects else None,
        greater_is_better=True if selects else None,
        logging_steps=min(50, every),
        seed=session.seed,
        data_seed=session.seed,
        use_cpu=session.compute.device == "cpu",
        bf16=session.compute.bf16,
        remove_unused_columns=False,
        label_names=["labels"],
        dataloader_pin_memory=session.compute.device == "cuda",
        disable_tqdm=True,
        report_to=list(session.report_to) or "none",
        run_name=session.title,
    )


def _scorer(session: Session) -> Callable[[EvalPrediction], dict[str, float]]:
    def score(prediction: EvalPrediction) -> dict[str, float]:
        logits = (
            prediction.predictions[0] if isinstance(prediction.predictions, tuple) else prediction.predictions
        )
        return {
            session.metric_name: session.score(
                np.asarray(prediction.label_ids), np.asarray(logits, dtype=np.float32)
            )
        }

    return score
