"""Losses between what two models compute inside, by the formulas of the papers, padding left out.

Every function returns a float32 scalar: a mean over the valid tokens (or pairs of tokens) of the whole
batch, so a long text counts for more than a short one, as in TextBrewer (Yang et al., 2020), whose
functions are the independent reference. Where a constant lies between theirs and ours, it is stated.

Vectors that stand for a whole text, a pooler's output or logits, are a hidden state of one token:
`as_token` makes shape and mask for it.
"""

import torch
from torch import Tensor
from torch.nn import functional

from compress.models.features import attention_scores


def full_precision(values: Tensor) -> torch.autocast:
    """Switches automatic bfloat16 off for what is done with these values, which must be float32 themselves."""
    return torch.autocast(values.device.type, enabled=False)


def as_token(vectors: Tensor) -> tuple[Tensor, Tensor]:
    """Vectors (batch, width) as hidden states (batch, 1, width) with their mask (batch, 1)."""
    return vectors.unsqueeze(1), vectors.new_ones(len(vectors), 1)


def mse(student: Tensor, teacher: Tensor, attention_mask: Tensor) -> Tensor:
    """Squared difference of hidden states, mean over valid tokens and over the width.

    Hidden states are (batch, tokens, width), the mask (batch, tokens). Jiao et al., "TinyBERT" (2020),
    equations 8 and 9. TextBrewer's `hid_mse_loss`, times 1.
    """
    squared = (student.float() - teacher.float()).square().mean(dim=-1)
    return _mean(squared, attention_mask)


def cosine(student: Tensor, teacher: Tensor, attention_mask: Tensor) -> Tensor:
    """One minus the cosine between hidden states, mean over valid tokens.

    Shapes as in `mse`. Sanh et al., "DistilBERT" (2019), section 2. TextBrewer's `cos_loss`, times 1.
    """
    distance = 1 - functional.cosine_similarity(student.float(), teacher.float(), dim=-1)
    return _mean(distance, attention_mask)


def pkd(student: Tensor, teacher: Tensor, attention_mask: Tensor) -> Tensor:  # noqa: ARG001
    """Squared distance of the first tokens' hidden states, each brought to length 1; mean over the batch.

    Shapes as in `mse`; the first token, [CLS], is never padding, so the mask is not looked at. Sun et al.,
    "Patient Knowledge Distillation" (2019), the loss L_PT, which sums over texts where this averages.
    TextBrewer's `pkd_loss`, times 1.
    """
    ours = functional.normalize(student[:, 0].float(), dim=-1)
    theirs = functional.normalize(teacher[:, 0].float(), dim=-1)
    return (ours - theirs).square().sum(dim=-1).mean()


def gram(student: Tensor, teacher: Tensor, attention_mask: Tensor) -> Tensor:
    """Squared difference of each text's products of dimensions, H^T H / tokens; mean over their entries.

    Shapes as in `mse`. After Yim et al., "A Gift from Knowledge Distillation" (2017), with both layers
    the same. TextBrewer's `fsp_loss` of two equal states, times 1.
    """
    with full_precision(student):
        difference = _dimension_products(student, attention_mask) - _dimension_products(
            teacher, attention_mask
        )
    return difference.square().mean()


def mmd(student: Tensor, teacher: Tensor, attention_mask: Tensor) -> Tensor:
    """Squared difference of products of tokens, H H^T / width, mean over valid pairs; widths may differ.

    Shapes as in `mse`, with a width of its own for each. After Huang and Wang, "Like What You Like" (2017), with a
    polynomial kernel. TextBrewer's `mmd_loss` without a mask, times 1; with a mask it divides the
    products by the padded length in place of the width, so for equal widths its value is this one times
    (width / padded tokens) squared, which changes with the padding.
    """
    with full_precision(student):
        squared = (_token_products(student) - _token_products(teacher)).square()
    return _mean(squared, _pairs(attention_mask))


def attention_mse(student: Tensor, teacher: Tensor, attention_mask: Tensor) -> Tensor:
    """Squared difference of attention scores before the softmax, mean over heads and valid pairs.

    Scores are (batch, heads, tokens, tokens), the mask (batch, tokens). Where the numbers of heads differ,
    each side is first averaged over its heads. Jiao et al., "TinyBERT" (2020), equation 7. TextBrewer's
    `att_mse_loss`, times 1; its `att_mse_sum_loss` is this one of averaged scores, times heads squared.
    """
    ours, theirs = _same_heads(student, teacher)
    squared = (ours - theirs).square()
    return _mean(squared, _pairs(attention_mask).unsqueeze(1).expand_as(squared))


def attention_kl(student: Tensor, teacher: Tensor, attention_mask: Tensor) -> Tensor:
    """KL(teacher || student) of attention over valid keys, mean over heads and valid queries.

    Shapes and heads as in `attention_mse`; the scores are those before the softmax, with padding in them.
    Wang et al., "MiniLM" (2020), section 3.1. It is `attention_ce` less the entropy of the
    teacher's attention, so the gradients are the same.
    """
    ours, theirs = _same_heads(student, teacher)
    target = log_attention(theirs, attention_mask)
    return _expected(target - log_attention(ours, attention_mask), target, attention_mask)


def attention_ce(student: Tensor, teacher: Tensor, attention_mask: Tensor) -> Tensor:
    """Cross-entropy of the student's attention under the teacher's, over valid keys, as `attention_kl`.

    TextBrewer's `att_ce_loss`, times 1, where padded keys' scores are so low that nothing is left of them
    after its softmax, which takes no mask; `att_ce_mean_loss`, times 1, of averaged scores.
    """
    ours, theirs = _same_heads(student, teacher)
    target = log_attention(theirs, attention_mask)
    return _expected(-log_attention(ours, attention_mask), target, attention_mask)


def relation_scores(values: Tensor, heads: int) -> Tensor:
    """Scaled dot products of vectors (batch, tokens, width) with each other, (batch, heads, tokens, tokens).

    In float32 whatever came in. Before the softmax of Wang et al., "MiniLM" (2020), section 3.2; take them to
    `attention_kl`. `heads` may be any divisor of the width ("MiniLMv2", 2021, section 3.1).
    """
    return query_key_scores(values, values, heads)


def query_key_scores(query: Tensor, key: Tensor, heads: int) -> Tensor:
    """Attention scores before mask and softmax in float32, (batch, heads, tokens, tokens)."""
    with full_precision(query):
        return attention_scores(query.float(), key.float(), heads)


def log_attention(scores: Tensor, attention_mask: Tensor) -> Tensor:
    """Log of the softmax over valid keys, shaped as the scores; 0, which is no probability, at padded keys."""
    padded = (attention_mask == 0)[:, None, None, :]
    lowest = torch.finfo(torch.float32).min
    return functional.log_softmax(scores.float().masked_fill(padded, lowest), dim=-1).masked_fill(padded, 0)


def attention_probabilities(scores: Tensor, attention_mask: Tensor) -> Tensor:
    """The softmax over valid keys, shaped as the scores; 0 at padded keys."""
    return log_attention(scores, attention_mask).exp() * attention_mask[:, None, None, :]


def logits_ce(student_logits: Tensor, teacher_logits: Tensor, temperature: float) -> Tensor:
    """T squared times the cross-entropy under the teacher's softened classes; mean over the batch.

    Logits are (batch, labels). Hinton et al. (2015), section 2. TextBrewer's `kd_ce_loss`, times T squared.
    Less the teacher's entropy it is `compress.distill.logits.soft_targets` without labels.
    """
    target = functional.softmax(teacher_logits.float() / temperature, dim=-1)
    log_probabilities = functional.log_softmax(student_logits.float() / temperature, dim=-1)
    return -(target * log_probabilities).sum(dim=-1).mean() * temperature**2


def _mean(values: Tensor, mask: Tensor) -> Tensor:
    """The mean of the values where the mask of the same shape is 1."""
    valid = mask != 0
    return values.masked_fill(~valid, 0).sum() / valid.sum().clamp(min=1)


def _pairs(attention_mask: Tensor) -> Tensor:
    """(batch, tokens) to (batch, tokens, tokens): pairs of valid tokens."""
    return attention_mask.unsqueeze(1) * attention_mask.unsqueeze(2)


def _dimension_products(states: Tensor, attention_mask: Tensor) -> Tensor:
    """(batch, width, width), the mean over a text's valid tokens of each product of two dimensions."""
    mask = attention_mask.unsqueeze(-1).float()
    valid = states.float() * mask
    return valid.transpose(1, 2) @ valid / mask.sum(dim=1, keepdim=True).clamp(min=1)


def _token_products(states: Tensor) -> Tensor:
    states = states.float()
    return states @ states.transpose(1, 2) / states.shape[-1]


def _same_heads(student: Tensor, teacher: Tensor) -> tuple[Tensor, Tensor]:
    """The scores in float32; averaged over heads, (batch, 1, tokens, tokens), where the heads' numbers differ."""
    student, teacher = student.float(), teacher.float()
    if student.shape[1] == teacher.shape[1]:
        return student, teacher
    return student.mean(dim=1, keepdim=True), teacher.mean(dim=1, keepdim=True)


def _expected(values: Tensor, log_target: Tensor, attention_mask: Tensor) -> Tensor:
    """The values' expectation over valid keys under the target; mean over heads and valid queries."""
    keys = attention_mask[:, None, None, :]
    per_query = (log_target.exp() * values * keys).sum(dim=-1)
    return _mean(per_query, attention_mask.unsqueeze(1).expand_as(per_query))
