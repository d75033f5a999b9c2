"""Losses between sentence embeddings: to a teacher's vectors, to its similarities within a batch, to scores of pairs.

Vectors of other widths cannot be held against each other; a projection is learnt for that alone and thrown away, or
similarities are all that is compared.
"""

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

Distance = Literal["cosine", "squared", "none"]
Relations = Literal["gram", "kl", "none"]
TEMPERATURE = 0.05  # of similarities as logits, usual where sentence encoders are trained


def gram(vectors: Tensor) -> Tensor:
    """Every text's cosine with every other, (texts, texts), in float32."""
    unit = functional.normalize(vectors.float(), dim=-1)
    return unit @ unit.T


def distance_loss(student: Tensor, teacher: Tensor, distance: Distance) -> Tensor:
    """The mean over texts of 1 less the cosine, or of the squared distance; both are (texts, width)."""
    if distance == "none":
        return student.new_zeros((), dtype=torch.float32)
    if distance == "cosine":
        return (1 - functional.cosine_similarity(student.float(), teacher.float(), dim=-1)).mean()
    return (student.float() - teacher.float()).square().sum(dim=-1).mean()


def relation_loss(
    student: Tensor, teacher: Tensor, relations: Relations, temperature: float = TEMPERATURE
) -> Tensor:
    """How far the similarities within the batch differ, each text with all others; widths may differ.

    `gram`: the mean over pairs of texts of the squared difference of cosines (Tung and Mori 2019,
    "Similarity-Preserving Knowledge Distillation"). `kl`: the mean over texts of KL(teacher || student) of the softmax
    over the others at the temperature (Fang et al. 2021, "SEED", section 3.2, within the batch). 0 for a single text.
    """
    texts = len(student)
    if relations == "none" or texts < 2:
        return student.new_zeros((), dtype=torch.float32)
    others = ~torch.eye(texts, dtype=torch.bool, device=student.device)
    ours, theirs = (gram(one)[others].view(texts, texts - 1) for one in (student, teacher))
    if relations == "gram":
        return (ours - theirs).square().mean()
    return functional.kl_div(
        functional.log_softmax(ours / temperature, dim=-1),
        functional.log_softmax(theirs / temperature, dim=-1),
        reduction="batchmean",
        log_target=True,
    )


def imitation(
    student: Tensor, teacher: Tensor, *, distance: Distance = "cosine", relations: Relations = "gram"
) -> Tensor:
    """Both, of vectors (texts, width); of unequal widths the similarities alone."""
    if student.shape[-1] != teacher.shape[-1]:
        return relation_loss(student, teacher, "gram" if relations == "none" else relations)
    return distance_loss(student, teacher, distance) + relation_loss(student, teacher, relations)


def score_loss(vectors: Tensor, labels: Tensor, low: float | None, high: float | None) -> Tensor:
    """The mean over pairs of the squared difference between cosine and score, scaled to 0 to 1 by the range of scores.

    Vectors are (2 rows, width), those of a pair one after the other; labels (rows,), NaN where there is none, which
    counts as 0. Sentence-transformers' CosineSimilarityLoss (Reimers and Gurevych 2019, section 3).
    """
    lowest, highest = (0.0 if low is None else low), (1.0 if high is None else high)
    pairs = vectors.float().reshape(len(labels), -1, vectors.shape[-1])
    known = ~labels.isnan()
    cosine = functional.cosine_similarity(pairs[:, 0], pairs[:, -1], dim=-1)
    wanted = (labels.nan_to_num() - lowest) / max(highest - lowest, 1e-9)
    return ((cosine - wanted).square() * known).sum() / len(labels)
