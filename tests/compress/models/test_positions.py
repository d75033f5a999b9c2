"""Positions that no text reaches are cut off, and nothing is answered otherwise."""

from typing import cast

import pytest
import torch
from layered_models import model_of
from small_models import SMALL
from transformers import AutoConfig, AutoModelForSequenceClassification, PreTrainedTokenizerFast

from compress.models.positions import trim_positions
from compress.models.tokenizer import position_limit

MAX_LENGTH = 20
MPNET = SMALL | {"pad_token_id": 1, "initializer_range": 0.15}


class Unlimited:
    """A tokenizer as far as a model's own limit is concerned."""

    model_max_length = 10**9


def limit(config: object) -> int:
    return position_limit(cast(PreTrainedTokenizerFast, Unlimited()), config)


@pytest.mark.parametrize(
    "architecture", ["bert", "roberta", "xlm-roberta", "camembert", "distilbert", "electra", "mpnet"]
)
def test_texts_up_to_the_length_have_the_same_logits_and_none_may_be_longer(architecture: str) -> None:
    if architecture == "mpnet":
        torch.manual_seed(5)
        model = AutoModelForSequenceClassification.from_config(AutoConfig.for_model("mpnet", **MPNET)).eval()
    else:
        model = model_of(architecture)
    trimmed = trim_positions(model, MAX_LENGTH)
    assert limit(trimmed.config) == MAX_LENGTH
    cut_off = limit(model.config) - MAX_LENGTH
    assert (
        sum(map(torch.numel, model.parameters())) - sum(map(torch.numel, trimmed.parameters()))
        == 32 * cut_off
    )
    ids = torch.randint(5, 300, (3, MAX_LENGTH), generator=torch.Generator().manual_seed(0))
    mask = (torch.arange(MAX_LENGTH)[None] < torch.tensor([MAX_LENGTH, 7, 1])[:, None]).long()
    padded = torch.where(mask == 1, ids, int(model.config.pad_token_id or 0))
    with torch.no_grad():
        before = model(input_ids=padded, attention_mask=mask).logits
        after = trimmed(input_ids=padded, attention_mask=mask).logits
    torch.testing.assert_close(after, before, rtol=0, atol=0)
    assert not torch.equal(before[0], before[1])


def test_a_model_that_is_short_enough_or_counts_otherwise_is_given_back() -> None:
    bert, deberta = model_of("bert"), model_of("deberta-v2")
    assert trim_positions(bert, 130) is bert
    assert trim_positions(bert, 4_000) is bert
    assert trim_positions(deberta, MAX_LENGTH) is deberta
