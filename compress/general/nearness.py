"""How near an encoder is to its teacher, on lines that it did not learn from."""

from collections.abc import Iterator

import torch
from torch import nn
from torch.nn import functional
from transformers import PreTrainedModel

from compress.data.rows import NO_LABEL
from compress.general.encoder import fills_masks
from compress.general.masked import MaskedLines, unmasked
from compress.general.report import MaskedWords
from compress.models.anatomy import width
from compress.training.lesson import Batch

BATCH = 32


def likeness(
    teacher: PreTrainedModel, student: PreTrainedModel, rows: MaskedLines, device: str
) -> float | None:
    """Mean over lines of the cosine between the models' vectors of a line; None where the widths differ.

    A line's vector is the mean of its tokens' last hidden states; nothing is masked here.
    """
    if width(teacher.config) != width(student.config):
        return None
    cosines = [
        functional.cosine_similarity(_line_vectors(teacher, batch), _line_vectors(student, batch))
        for batch in _batches(rows, device, teacher, student)
    ]
    return float(torch.cat(cosines).mean())


def masked_words(
    teacher: PreTrainedModel, student: PreTrainedModel, rows: MaskedLines, device: str
) -> MaskedWords | None:
    """How both fill in the masked tokens; None for models without the head, and where nothing is masked."""
    if not (fills_masks(teacher.config) and fills_masks(student.config)):
        return None
    expected, first, second = [], [], []
    for batch in _batches(rows, device, teacher, student):
        masked = batch["labels"] != NO_LABEL
        expected.append(batch["labels"][masked])
        first.append(_choices(teacher, batch, masked))
        second.append(_choices(student, batch, masked))
    labels, by_teacher, by_student = map(torch.cat, (expected, first, second))
    if not len(labels):
        return None
    return MaskedWords(
        teacher_accuracy=_share_equal(by_teacher, labels),
        student_accuracy=_share_equal(by_student, labels),
        agreement=_share_equal(by_teacher, by_student),
        tokens=len(labels),
    )


@torch.inference_mode()
def _line_vectors(model: PreTrainedModel, batch: Batch) -> torch.Tensor:
    """(batch, width)."""
    hidden = model.base_model(
        input_ids=unmasked(batch), attention_mask=batch["attention_mask"]
    ).last_hidden_state
    mask = batch["attention_mask"].unsqueeze(-1).float()
    vectors: torch.Tensor = (hidden * mask).sum(dim=1) / mask.sum(dim=1)
    return vectors


@torch.inference_mode()
def _choices(model: PreTrainedModel, batch: Batch, masked: torch.Tensor) -> torch.Tensor:
    """The token with the highest logit at each masked place, (places,)."""
    logits = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
    choices: torch.Tensor = logits[masked].argmax(dim=-1)
    return choices


def _share_equal(left: torch.Tensor, right: torch.Tensor) -> float:
    return float((left == right).float().mean())


def _batches(rows: MaskedLines, device: str, *models: PreTrainedModel) -> Iterator[Batch]:
    for model in models:
        nn.Module.to(model, device).eval()
    for start in range(0, len(rows), BATCH):
        batch = rows.collate([rows[index] for index in range(start, min(start + BATCH, len(rows)))])
        yield {name: values.to(device) for name, values in batch.items()}
