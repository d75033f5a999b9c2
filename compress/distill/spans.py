"""Losses of extractive question answering: each window's begin and end are distributions over its tokens.

Hinton's soft targets (2015, section 2) on both, as DistilBERT was distilled on SQuAD (Sanh et al. 2019, section 3).
Question, separators and padding are no candidates: their logits are set to `MASKED`, whose probability is 0.
"""

import torch
from torch import Tensor

from compress.data.rows import NO_LABEL
from compress.distill.soft import with_labels
from compress.tasks.answer_tokens import BEGINS, ENDS

MASKED = -10_000.0


def as_rows(logits: Tensor, allowed: Tensor) -> Tensor:
    """Logits (windows, tokens, 2) as rows over tokens, (2 windows, tokens): all begins, then all ends; float32."""
    masked = logits.float().masked_fill(~allowed.unsqueeze(-1), MASKED)
    return masked.permute(2, 0, 1).flatten(0, 1)


def label_rows(labels: Tensor) -> Tensor:
    """Labels (windows, tokens) as `answer_labels` gives them, as the token of each row, (2 windows,)."""
    known = labels.clamp(min=0)
    marked = torch.cat([(known & BEGINS) > 0, (known & ENDS) > 0])
    return torch.where(marked.any(dim=1), marked.int().argmax(dim=1), NO_LABEL)


def matched_rows(logits: Tensor, teacher_logits: Tensor, labels: Tensor | None, alpha: float) -> Tensor:
    """`alpha` times the squared difference of logits, mean over candidates, plus the labels' cross-entropy.

    Rows (rows, tokens) as `as_rows` gives them, `labels` (rows,); a row without a label has the soft term alone.
    """
    candidates = logits > MASKED / 2
    squared = (logits - teacher_logits).square().where(candidates, 0.0)
    return with_labels(squared.sum(dim=-1) / candidates.sum(dim=-1).clamp(min=1), logits, labels, alpha)
