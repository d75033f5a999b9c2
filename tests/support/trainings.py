"""A whole training of a small model by the project's loop."""

from pathlib import Path

import numpy as np
import torch
from lessons import make, ragged_batch
from numpy.typing import NDArray

from compress.progress import Silent
from compress.training.device import Compute
from compress.training.lesson import Batch, Lesson
from compress.training.loop import Session, train
from compress.training.options import TrainOptions


class WordsLesson(Lesson):
    """Cross-entropy with the labels."""

    def loss(self, batch: Batch) -> torch.Tensor:
        return torch.nn.functional.cross_entropy(self.answer(batch), batch["labels"])


class RaggedRows:
    """Rows of different lengths."""

    def __init__(self, *, tells: bool = False) -> None:
        self._tells = tells  # which tokens it has
        self.lengths = [5, 9, 4, 7, 12, 3, 6, 8]
        batch = ragged_batch(self.lengths)
        self._rows = [{name: values[row] for name, values in batch.items()} for row in range(8)]

    @property
    def token_ids(self) -> NDArray[np.int64] | None:
        return np.concatenate([row["input_ids"].numpy() for row in self._rows]) if self._tells else None

    def begin_epoch(self, epoch: int) -> None:
        pass

    def collate(self, examples: list[dict[str, torch.Tensor]]) -> Batch:
        return {name: torch.stack([example[name] for example in examples]) for name in examples[0]}

    def __len__(self) -> int:
        return 8

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        return self._rows[index]


def words_session(folder: Path) -> Session:
    """Of a training in this folder."""
    return Session(
        folder=folder,
        title="words",
        seed=3,
        compute=Compute("cpu", bf16=False),
        score=lambda gold, logits: float((gold == logits.argmax(axis=-1)).mean()),
        metric_name="accuracy",
        report_to=(),
        progress=Silent(),
    )


def weights_after_training(
    folder: Path, *, tells: bool = False, weight_decay: float = 0.01
) -> dict[str, np.ndarray]:
    """Of a small BERT, trained for sixteen steps."""
    model = make("bert")
    torch.manual_seed(3)
    options = TrainOptions(epochs=4, batch_size=2, learning_rate=1e-3, weight_decay=weight_decay)
    train(WordsLesson(model), RaggedRows(tells=tells), None, options, words_session(folder))
    return {name: value.detach().numpy().copy() for name, value in model.named_parameters()}
