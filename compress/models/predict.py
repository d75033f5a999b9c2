"""A PyTorch model behind the verb that everything which answers has."""

import inspect
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from transformers import PreTrainedModel

from compress.models.trained import Trained
from serve.bundle import GraphInput
from serve.encoding import Integers, cut_into_windows, pad, pad_id, read, windows_of
from serve.inputs import Input
from serve.runtime import collect
from serve.tasks import Answer, Tokens
from serve.tasks.answering import Array, Outputs

Advance = Callable[[int], None]

TOKENIZER_OUTPUTS = ("input_ids", "attention_mask", "token_type_ids")
BATCH = 32


def input_names(model: PreTrainedModel) -> tuple[str, ...]:
    """The tokenizer's outputs that this model reads, by the names of its `forward`."""
    taken = inspect.signature(model.forward).parameters
    has_types = getattr(model.config, "type_vocab_size", 0) > 1
    return tuple(
        name for name in TOKENIZER_OUTPUTS if name in taken and (name != "token_type_ids" or has_types)
    )


class TorchPredictor:
    """Answers with PyTorch: inference mode, float32, no padding beyond the longest text of a batch."""

    def __init__(self, trained: Trained, *, device: str = "cpu", threads: int | None = None) -> None:
        self.labels = trained.labels
        self.threads = threads
        self.device = torch.device(device)
        self._model: nn.Module = trained.model
        nn.Module.to(self._model, self.device).eval()
        self.answering = trained.answering
        self._task = trained.task
        self._outputs = self.answering.outputs(len(trained.labels))
        self._tokenizer = trained.encoder
        cut_into_windows(self._tokenizer, self.answering)
        self._inputs = tuple(GraphInput(name=name, dtype="int64") for name in input_names(trained.model))
        self._pad_id = pad_id(self._tokenizer, trained.folder / "tokenizer_config.json")

    def predict(self, inputs: Sequence[Input]) -> list[Answer]:
        """One answer per text, in order."""
        if not inputs:
            return []
        asked = self.tokens(inputs)
        return self.answering.answers(asked, self.outputs_of(asked), self.labels)

    def tokens(self, inputs: Sequence[Input]) -> list[Tokens]:
        """What is read of each text, for `logits_of`."""
        return read(self._tokenizer, inputs, self.answering)

    def logits(self, inputs: Sequence[Input], advance: Advance | None = None) -> NDArray[np.float32]:
        """What a student learns to give, of a classifier logits of shape (texts, labels), in the order of the texts."""
        return self.logits_of(self.tokens(inputs), advance)

    def logits_of(self, asked: Sequence[Tokens], advance: Advance | None = None) -> NDArray[np.float32]:
        """The same of what was read before."""
        return self._task.by_input(self._task.soft_targets(self.outputs_of(asked, advance)), asked)

    def outputs_of(self, asked: Sequence[Tokens], advance: Advance | None = None) -> Outputs:
        """Batches of like length, so that little is computed on padding; outputs in the order given, by name."""
        if self.threads is not None and torch.get_num_threads() != self.threads:
            torch.set_num_threads(self.threads)
        windows = windows_of(asked)
        order = sorted(range(len(windows)), key=lambda row: len(windows[row].ids))
        found: dict[str, Array | list[Array]] = {}
        for start in range(0, len(order), BATCH):
            rows = order[start : start + BATCH]
            batch = pad([windows[row] for row in rows], self._inputs, self._pad_id)
            collect(
                found, self._outputs, self.forward_all(batch.arrays), rows, batch.token_counts, len(windows)
            )
            if advance is not None:
                advance(len(rows))
        return found or {one.name: np.empty((0, len(self.labels)), np.float32) for one in self._outputs}

    def forward(self, arrays: Mapping[str, Integers]) -> NDArray[np.float32]:
        """The first output, of a classifier logits of shape (batch, labels), for token arrays (batch, tokens)."""
        return self.forward_all(arrays)[self._outputs[0].name]

    def forward_all(self, arrays: Mapping[str, Integers]) -> dict[str, Array]:
        """Every output by its name."""
        with torch.inference_mode():
            tensors = {name: torch.from_numpy(values).to(self.device) for name, values in arrays.items()}
            given = self._model(**tensors)
            return {
                one.name: np.asarray(getattr(given, one.name).float().cpu().numpy()) for one in self._outputs
            }
