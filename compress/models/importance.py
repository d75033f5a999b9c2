"""How much each unit of a model (a neuron, a head, a dimension) matters to its loss.

First-order importance: the loss's derivative by a gate on the unit, which stands at 1 and would be 0 if
the unit were cut. That derivative is the sum over tokens of activation times gradient; its absolute value
is summed over texts. Molchanov et al., "Pruning Convolutional Neural Networks for Resource Efficient
Inference" (2017), section 2.2; Michel, Levy and Neubig, "Are Sixteen Heads Really Better than One?"
(2019), section 4.1.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.utils.hooks import RemovableHandle
from transformers import PreTrainedModel

from compress.data.rows import Rows
from compress.models.trained import Trained
from compress.tasks import SINGLE_LABEL, task_of
from compress.training.encoded import EncodedRows
from compress.training.lesson import Batch, model_inputs

BATCH = 32
TEXTS = 64 * BATCH


class Units(NamedTuple):
    """Units of one kind; layers are counted from 1, and 0 stands for those that belong to no layer."""

    kind: Literal["neurons", "heads", "width", "pooled"]
    layer: int = 0


class Site(NamedTuple):
    """What goes into a module, or what comes out of it; units are runs of its last axis."""

    module: nn.Module
    end: Literal["input", "output"]


@dataclass(frozen=True)
class Gate:
    """So many units of equal width, each of them closed at all of these sites at once."""

    count: int
    sites: tuple[Site, ...]


Importance = dict[Units, NDArray[np.float64]]  # for each kind of unit (units,)


def importance_batches(teacher: Trained, rows: Rows) -> Iterator[Batch]:
    """At most `TEXTS` of the rows, drawn with a fixed seed, in batches of like length."""
    order = np.random.default_rng(0).permutation(len(rows))[:TEXTS]
    encoded = EncodedRows(teacher, rows.take(order.astype(np.int64)))
    by_length = np.argsort(encoded.lengths, kind="stable")
    for start in range(0, len(by_length), BATCH):
        yield encoded.collate([encoded[int(row)] for row in by_length[start : start + BATCH]])


def first_order_importance(
    model: PreTrainedModel, gates: Mapping[Units, Gate], batches: Iterable[Batch], device: str
) -> Importance:
    """The importance of each gate's units to the model's own loss.

    Neither the other texts of a batch nor its padding change what a text adds. The model is left as it
    was, on the device where it was.
    """
    total: Importance = {units: np.zeros(gate.count) for units, gate in gates.items()}
    opened: dict[Units, torch.Tensor] = {}
    home = model.device
    handles = [
        _install(site, partial(_through, opened, units))
        for units, gate in gates.items()
        for site in gate.sites
    ]
    try:
        nn.Module.to(model, device).eval()
        for batch in batches:
            texts = len(batch["input_ids"])
            for units, gate in gates.items():
                opened[units] = torch.ones(texts, gate.count, device=device, requires_grad=True)
            moved = {name: values.to(device) for name, values in batch.items()}
            with torch.enable_grad():
                gradients = torch.autograd.grad(_own_loss(model, moved), list(opened.values()))
            for units, gradient in zip(gates, gradients, strict=True):
                total[units] += gradient.abs().cpu().double().sum(dim=0).numpy()
    finally:
        for handle in handles:
            handle.remove()
        nn.Module.to(model, home)
    return total


def most_important(importance: NDArray[np.float64], count: int) -> NDArray[np.int64]:
    """The places of the `count` most important units, in their original order."""
    return np.sort(np.argsort(-importance, kind="stable")[:count]).astype(np.int64)


def _own_loss(model: PreTrainedModel, batch: Batch) -> torch.Tensor:
    """Cross-entropy, summed over texts, with the label or, where there is none, with the model's own answer.

    A masked language model answers for every token; padding is left out.
    """
    mask = batch["attention_mask"]
    task = task_of(model)
    logits = task.of_counted(task.read_logits(model(**model_inputs(model, batch))), batch)
    batch = task.gathered(batch)
    per_token = logits.dim() == 3
    if per_token and task is SINGLE_LABEL:
        logits = logits[mask.bool()]
    return task.own_loss(logits, None if per_token and task is SINGLE_LABEL else batch.get("labels"))


def _install(site: Site, through: "partial[torch.Tensor]") -> RemovableHandle:
    def before(module: nn.Module, arguments: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:  # noqa: ARG001
        return (through(arguments[0]), *arguments[1:])

    def after(module: nn.Module, arguments: object, output: torch.Tensor) -> torch.Tensor:  # noqa: ARG001
        return through(output)

    if site.end == "input":
        return site.module.register_forward_pre_hook(before)
    return site.module.register_forward_hook(after)


def _through(opened: Mapping[Units, torch.Tensor], units: Units, values: torch.Tensor) -> torch.Tensor:
    """Values (batch, ..., width), each times the gate (batch, units) of its unit."""
    gate = opened[units]
    spread = gate.repeat_interleave(values.shape[-1] // gate.shape[-1], dim=-1)
    return values * spread.view(len(values), *[1] * (values.dim() - 2), -1)
