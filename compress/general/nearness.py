"""How near an encoder is to the one that it came from, on lines that it did not learn from."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from transformers import PreTrainedModel

from compress.general.lines import MaskedLines
from compress.general.report import MaskedWords
from compress.models.anatomy import width

BATCH = 32
IGNORED = -100


def likeness(teacher: PreTrainedModel, student: PreTrainedModel, rows: MaskedLines) -> float | None:
    """Mean cosine of the mean last hidden states, over rows; None where the widths differ."""
    if width(teacher.config) != width(student.config):
        return None
    cosines = []
    with torch.inference_mode():
        for batch in _batches(rows):
            inputs = {"input_ids": batch["input_ids"], "attention_mask": batch["attention_mask"]}
            mask = batch["attention_mask"].unsqueeze(-1).float()
            pooled = [
                (model.base_model(**inputs).last_hidden_state * mask).sum(1) / mask.sum(1)
                for model in (teacher.eval(), student.eval())
            ]
            cosines.append(functional.cosine_similarity(*pooled))
    return float(torch.cat(cosines).mean())


def masked_words(teacher: PreTrainedModel, student: PreTrainedModel, rows: MaskedLines) -> MaskedWords | None:
    """How both fill in the masked tokens; None for models without a masked-language-model head."""
    if not all(has_masked_lm_head(model) for model in (teacher, student)):
        return None
    right = np.zeros(2, np.int64)
    same = total = 0
    with torch.inference_mode():
        for batch in _batches(rows):
            labels = batch["labels"]
            chosen = labels != IGNORED
            choices = [
                model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"])
                .logits[chosen]
                .argmax(-1)
                for model in (teacher.eval(), student.eval())
            ]
            right += [int((choice == labels[chosen]).sum()) for choice in choices]
            same += int((choices[0] == choices[1]).sum())
            total += int(chosen.sum())
    if not total:
        return None
    return MaskedWords(
        teacher_accuracy=float(right[0] / total),
        student_accuracy=float(right[1] / total),
        agreement=same / total,
        tokens=total,
    )


def has_masked_lm_head(model: nn.Module) -> bool:
    """It answers with logits over the vocabulary for each token."""
    return type(model).__name__.endswith("ForMaskedLM")


def _batches(rows: MaskedLines) -> Sequence[dict[str, torch.Tensor]]:
    return [
        rows.collate([rows[index] for index in range(start, min(start + BATCH, len(rows)))])
        for start in range(0, len(rows), BATCH)
    ]
