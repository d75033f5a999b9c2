"""Small teachers and students, batches and a plain training loop, for tests of distillation methods."""

from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from small_models import ARCHITECTURES, SMALL
from tiny import FILLERS, TOPICS, tiny_rows
from torch.nn import functional
from transformers import (
    AutoConfig,
    AutoModelForMaskedLM,
    AutoModelForSequenceClassification,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

from compress.models.anatomy import ANATOMIES
from compress.models.shrink import shrink
from compress.models.trained import Trained
from compress.training.lesson import Batch, Lesson

Array = NDArray[np.float64]
PAD = {"roberta": 1}  # 0 elsewhere
WORDS = [*(word for topic in TOPICS.values() for word in topic), *FILLERS]
MINILM = "minilm"  # a BERT of the shape of MiniLM-L6-H384: small heads
SHAPES: dict[str, dict[str, object]] = {
    **ARCHITECTURES,
    "mpnet": {**SMALL, "pad_token_id": 1},
    MINILM: {**SMALL, "hidden_size": 48, "num_attention_heads": 12, "intermediate_size": 96},
}


def make(
    architecture: str,
    layers: int = 2,
    *,
    wide: int | None = None,
    heads: int | None = None,
    seed: int = 0,
    masked_lm: bool = False,
    **config: Any,
) -> PreTrainedModel:
    """A random model in evaluation whose attention is far from flat."""
    kind = "bert" if architecture == MINILM else architecture
    anatomy = ANATOMIES[kind]
    shape = SHAPES[architecture] | {anatomy.layer_count: layers, "initializer_range": 0.25} | config
    if wide is not None:
        shape[anatomy.width] = wide
    if heads is not None:
        shape[anatomy.heads] = heads
    task = AutoModelForMaskedLM if masked_lm else AutoModelForSequenceClassification
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model: PreTrainedModel = task.from_config(AutoConfig.for_model(kind, **shape))  # type: ignore[no-untyped-call]
    model.eval()
    return model


def trained(model: PreTrainedModel) -> Trained:
    """The model as stages hand it on; its tokenizer and its folder are not there."""
    labels = tuple(map(str, range(model.config.num_labels or 0)))
    return Trained(model, cast(PreTrainedTokenizerFast, None), labels, 128, Path("nowhere"))


def ragged_batch(lengths: Sequence[int] = (9, 4, 7), pad: int = 0, seed: int = 3) -> Batch:
    """Random texts of these lengths, padded, with labels for three classes."""
    random = np.random.default_rng(seed)
    rows = [random.integers(5, 300, length) for length in lengths]
    ids = np.full((len(rows), max(lengths)), pad)
    for row, values in zip(ids, rows, strict=True):
        row[: len(values)] = values
    mask = np.arange(max(lengths)) < np.array(lengths)[:, None]
    return {
        "input_ids": torch.tensor(ids),
        "attention_mask": torch.tensor(mask.astype(np.int64)),
        "labels": torch.arange(len(rows)) % 3,
    }


def padded(batch: Batch, extra: int, pad: int = 0) -> Batch:
    """The batch with so many more padding tokens."""
    wider = dict(batch)
    for name, value in {"input_ids": pad, "attention_mask": 0, "labels": -100}.items():
        if name in batch and batch[name].dim() == 2:
            wider[name] = functional.pad(batch[name], (0, extra), value=value)
    return wider


def array(tensor: torch.Tensor) -> Array:
    """In double precision, without its graph."""
    return tensor.detach().double().numpy()


def softmax(values: Array) -> Array:
    """Over the last dimension."""
    exponentials = np.exp(values - values.max(axis=-1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(axis=-1, keepdims=True))


def divergence(teacher: Array, student: Array) -> float:
    """KL(teacher || student) of two probability vectors."""
    return float((teacher * (np.log(teacher) - np.log(student))).sum())


def nats(logits: Array, label: int) -> float:
    """Cross-entropy of one row with its label."""
    return float(-np.log(softmax(logits)[label]))


def loss_of(lesson: Lesson, batch: Batch) -> float:
    """The loss as a number."""
    return float(lesson.loss(batch).detach())


def optimizer_of(lesson: Lesson, learning_rate: float, weight_decay: float = 0.0) -> torch.optim.AdamW:
    """Over what requires gradients now, as transformers.Trainer builds it."""
    parameters = [parameter for parameter in lesson.parameters() if parameter.requires_grad]
    return torch.optim.AdamW(parameters, lr=learning_rate, weight_decay=weight_decay)


def teach(lesson: Lesson, batches: Sequence[Batch], steps: int, optimizer: torch.optim.Optimizer) -> None:
    """The plain loop, gradients clipped as transformers.Trainer does."""
    lesson.train()
    for step in range(steps):
        loss = lesson(**batches[step % len(batches)])["loss"]
        loss.backward()
        torch.nn.utils.clip_grad_norm_(lesson.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
    lesson.eval()


def changed(before: dict[str, torch.Tensor], model: torch.nn.Module) -> set[str]:
    """Names of parameters that are not what they were, to the bit."""
    return {name for name, value in model.named_parameters() if not torch.equal(before[name], value)}


def snapshot(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Copies of all parameters."""
    return {name: value.detach().clone() for name, value in model.named_parameters()}


def topic_batches(rows: int, seed: int, size: int = 32) -> list[Batch]:
    """The tiny task as token ids: word n of the vocabulary is n + 5."""
    return [_topics(chunk) for chunk in _chunks(tiny_rows(rows, seed), size)]


def _chunks(rows: list[tuple[str, str]], size: int) -> Iterator[list[tuple[str, str]]]:
    for first in range(0, len(rows), size):
        yield rows[first : first + size]


def _topics(rows: list[tuple[str, str]]) -> Batch:
    ids = [[2, *(WORDS.index(word) + 5 for word in text.split()), 3] for text, _ in rows]
    longest = max(map(len, ids))
    return {
        "input_ids": torch.tensor([row + [0] * (longest - len(row)) for row in ids]),
        "attention_mask": torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in ids]),
        "labels": torch.tensor([list(TOPICS).index(label) for _, label in rows]),
    }


def with_answers(teacher: PreTrainedModel, batches: Sequence[Batch]) -> list[Batch]:
    """The batches with the teacher's logits in them, as a training stage has them."""
    answered = []
    for batch in batches:
        with torch.no_grad():
            logits = teacher(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
        answered.append(batch | {"teacher_logits": logits})
    return answered


def gap(teacher: PreTrainedModel, student: PreTrainedModel, batches: Sequence[Batch]) -> float:
    """Mean KL(teacher || student) of the answers."""
    values = []
    for batch in with_answers(teacher, batches):
        (ours,) = with_answers(student.eval(), [batch])
        values += [
            divergence(softmax(theirs), softmax(own))
            for theirs, own in zip(array(batch["teacher_logits"]), array(ours["teacher_logits"]), strict=True)
        ]
    return float(np.mean(values))


@cache
def _taught() -> PreTrainedModel:
    model = make("bert", 4, initializer_range=0.1)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    model.train()
    batches = topic_batches(320, seed=1)
    for step in range(60):
        batch = batches[step % len(batches)]
        loss = model(**batch).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    model.eval()
    return model


def topic_teacher() -> PreTrainedModel:
    """A 4-layer BERT that knows the tiny task; a copy of its own for each caller."""
    return shrink(_taught(), 4)
