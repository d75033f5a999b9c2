"""Losses between a student's logits and its teacher's, one for each kind of answer.

Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural Network" (2015), section 2. The squared
difference of logits is its limit for high temperatures (section 2.1; Ba and Caruana, 2014).
"""

import torch
from torch import Tensor
from torch.nn import functional

from compress.data.rows import NO_LABEL


def soft_targets(
    student_logits: Tensor, teacher_logits: Tensor, labels: Tensor | None, temperature: float, alpha: float
) -> Tensor:
    """`alpha` times T squared times KL(teacher || student) at temperature T, plus the labels' cross-entropy.

    Logits are of shape (batch, labels), `labels` of shape (batch,). Returns a scalar, the mean over the
    batch. A row without a label (NO_LABEL, or no labels at all) has the soft term alone, with weight 1.
    The factor T squared keeps the gradient's size when T changes (section 2 of the paper).
    """
    soft = functional.kl_div(
        functional.log_softmax(student_logits.float() / temperature, dim=-1),
        functional.log_softmax(teacher_logits.float() / temperature, dim=-1),
        reduction="none",
        log_target=True,
    ).sum(dim=-1)
    return with_labels(soft * temperature**2, student_logits, labels, alpha)


def matched_logits(
    student_logits: Tensor, teacher_logits: Tensor, labels: Tensor | None, alpha: float
) -> Tensor:
    """`alpha` times the squared difference of logits, mean over labels, plus the labels' cross-entropy.

    Shapes and rows without a label as in `soft_targets`.
    """
    squared = (student_logits.float() - teacher_logits.float()).square().mean(dim=-1)
    return with_labels(squared, student_logits, labels, alpha)


def soft_label_sets(
    student_logits: Tensor, teacher_logits: Tensor, labels: Tensor | None, temperature: float, alpha: float
) -> Tensor:
    """For several labels per text: T squared times KL between the two Bernoulli variables of each label.

    Logits and `labels` (0 or 1, float) are of shape (batch, labels); the mean over the batch of the sum over
    labels, plus (1 - alpha) times the labels' binary cross-entropy. A row whose labels are NaN has the soft term
    alone, with weight 1.
    """
    student, teacher = student_logits.float() / temperature, teacher_logits.float() / temperature
    probability = teacher.sigmoid()
    entropy = functional.binary_cross_entropy(probability, probability, reduction="none")
    cross = functional.binary_cross_entropy_with_logits(student, probability, reduction="none")
    soft = (cross - entropy).sum(dim=-1) * temperature**2
    if labels is None:
        return soft.mean()
    known = ~labels.float().isnan().any(dim=-1)
    hard = functional.binary_cross_entropy_with_logits(
        student_logits.float(), labels.float().nan_to_num(), reduction="none"
    ).sum(dim=-1)
    return _mixed(soft, hard, known, alpha)


def matched_label_sets(
    student_logits: Tensor, teacher_logits: Tensor, labels: Tensor | None, alpha: float
) -> Tensor:
    """`alpha` times the squared difference of logits, mean over labels, plus the labels' binary cross-entropy.

    Shapes and rows without labels as in `soft_label_sets`; the cross-entropy is a mean over labels too.
    """
    soft = (student_logits.float() - teacher_logits.float()).square().mean(dim=-1)
    if labels is None:
        return soft.mean()
    known = ~labels.float().isnan().any(dim=-1)
    hard = functional.binary_cross_entropy_with_logits(
        student_logits.float(), labels.float().nan_to_num(), reduction="none"
    ).mean(dim=-1)
    return _mixed(soft, hard, known, alpha)


def regression_targets(
    student_logits: Tensor, teacher_logits: Tensor, labels: Tensor | None, alpha: float
) -> Tensor:
    """`alpha` times the squared difference to the teacher's score, the rest to the label's.

    Logits are of shape (batch, 1), `labels` of shape (batch,), NaN in rows that the teacher alone answers.
    """
    student = student_logits.float().squeeze(-1)
    soft = (student - teacher_logits.float().squeeze(-1)).square()
    if labels is None:
        return soft.mean()
    known = ~labels.float().isnan()
    hard = (student - labels.float().nan_to_num()).square()
    return _mixed(soft, hard, known, alpha)


def with_labels(soft: Tensor, student_logits: Tensor, labels: Tensor | None, alpha: float) -> Tensor:
    """The mean over rows of the soft loss (batch,) mixed with the labels' cross-entropy."""
    if labels is None:
        return soft.mean()
    hard = functional.cross_entropy(student_logits.float(), labels, ignore_index=NO_LABEL, reduction="none")
    return _mixed(soft, hard, labels != NO_LABEL, alpha)


def _mixed(soft: Tensor, hard: Tensor, known: Tensor, alpha: float) -> Tensor:
    """The mean over rows of both losses (batch,), of which a row without a `known` label has the soft one alone."""
    share = torch.where(known, alpha, 1.0)
    return (share * soft + (1 - share) * hard).mean()
