"""What both of PyTorch's exporters are given, and their silence."""

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator, Sequence

import torch
from torch import nn
from transformers import PreTrainedModel

from serve.tasks.answering import Output

LOGITS = (Output("logits"),)  # of a classifier
_LOGGERS = ("torch.onnx", "onnxscript", "onnx_ir", "onnxruntime.transformers", "fusion_base")


class OutputsOnly(nn.Module):
    """The graph's outputs alone; arguments in the order of `names`, whatever that of the model's `forward`."""

    def __init__(
        self, model: PreTrainedModel, names: Sequence[str], outputs: Sequence[Output] = LOGITS
    ) -> None:
        super().__init__()
        self.model = model
        self.names = tuple(names)
        self.outputs = tuple(one.name for one in outputs)

    def forward(self, *tensors: torch.Tensor) -> torch.Tensor | tuple[torch.Tensor, ...]:
        """What the task reads, of a classifier logits (batch, labels), for arrays of shape (batch, tokens)."""
        given = self.model(**dict(zip(self.names, tensors, strict=True)))
        found = tuple(getattr(given, name) for name in self.outputs)
        return found if len(found) > 1 else found[0]


def example(input_names: Sequence[str]) -> tuple[torch.Tensor, ...]:
    """What the exporters follow through the model: for each input (2, 8), of ones."""
    return tuple(torch.ones(2, 8, dtype=torch.int64) for _ in input_names)


@contextlib.contextmanager
def silenced() -> Iterator[None]:
    """The exporters tell their steps on stdout, which belongs to results."""
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
