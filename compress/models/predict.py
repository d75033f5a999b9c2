"""A PyTorch classifier behind the verb that everything which answers has."""

import inspect
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Encoding
from torch import nn
from transformers import PreTrainedModel

from compress.models.trained import Trained
from serve.bundle import GraphInput
from serve.encoding import Integers, pad, pad_id, tokenize
from serve.inputs import Input
from serve.tasks import Answer
from serve.tasks.text_classification import answers

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
        self._tokenizer = trained.encoder
        self._inputs = tuple(GraphInput(name=name, dtype="int64") for name in input_names(trained.model))
        self._pad_id = pad_id(self._tokenizer, trained.folder / "tokenizer_config.json")

    def predict(self, inputs: Sequence[Input]) -> list[Answer]:
        """One answer per text, in order."""
        if not inputs:
            return []
        encodings = self.tokens(inputs)
        logits = self.logits_of(encodings)
        counts = [len(encoding.ids) for encoding in encodings]
        return answers(logits, self.labels, counts, [bool(encoding.overflowing) for encoding in encodings])

    def tokens(self, inputs: Sequence[Input]) -> list[Encoding]:
        """One encoding per text, for `logits_of`."""
        return tokenize(self._tokenizer, inputs)

    def logits(self, inputs: Sequence[Input], advance: Advance | None = None) -> NDArray[np.float32]:
        """Logits of shape (texts, labels), in the order of the texts."""
        return self.logits_of(self.tokens(inputs), advance)

    def logits_of(self, encodings: Sequence[Encoding], advance: Advance | None = None) -> NDArray[np.float32]:
        """Batches of like length, so that little is computed on padding; answers in the order given."""
        if self.threads is not None and torch.get_num_threads() != self.threads:
            torch.set_num_threads(self.threads)
        order = sorted(range(len(encodings)), key=lambda row: len(encodings[row].ids))
        result = np.empty((len(encodings), len(self.labels)), dtype=np.float32)
        for start in range(0, len(order), BATCH):
            rows = order[start : start + BATCH]
            result[rows] = self.forward(
                pad([encodings[row] for row in rows], self._inputs, self._pad_id).arrays
            )
            if advance is not None:
                advance(len(rows))
        return result

    def forward(self, arrays: Mapping[str, Integers]) -> NDArray[np.float32]:
        """Logits of shape (batch, labels) for token arrays of shape (batch, tokens)."""
        with torch.inference_mode():
            tensors = {name: torch.from_numpy(values).to(self.device) for name, values in arrays.items()}
            return np.asarray(self._model(**tensors).logits.float().cpu().numpy())
