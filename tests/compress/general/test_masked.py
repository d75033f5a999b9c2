"""Masks: as many and as made as BERT's, others in each epoch, the same ones after a resumption."""

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from compress.general.lines import TextLines
from compress.general.masked import MaskedLines, unmasked


@pytest.fixture(scope="module")
def tokenizer(tiny_encoder: Path) -> PreTrainedTokenizerFast:
    loaded = AutoTokenizer.from_pretrained(tiny_encoder)
    assert isinstance(loaded, PreTrainedTokenizerFast)
    return loaded


@pytest.fixture(scope="module")
def rows(tokenizer: PreTrainedTokenizerFast, raw_text: Path) -> MaskedLines:
    text = TextLines([raw_text])
    return MaskedLines(text, np.arange(len(text)), tokenizer, 128, seed=3)


def batch_of(rows: MaskedLines, numbers: list[int]) -> dict[str, torch.Tensor]:
    return rows.collate([rows[number] for number in numbers])


def test_15_percent_are_masked_80_10_10(rows: MaskedLines, tokenizer: PreTrainedTokenizerFast) -> None:
    batch = batch_of(rows, list(range(len(rows))))
    ids, labels, real = batch["input_ids"], batch["labels"], batch["attention_mask"] == 1
    words = real & ~torch.isin(unmasked(batch), torch.tensor(tokenizer.all_special_ids))
    chosen = labels != -100
    assert not bool((chosen & ~words).any())
    assert float(chosen.sum() / words.sum()) == pytest.approx(0.15, abs=0.015)
    masked = ids[chosen] == tokenizer.mask_token_id
    same = ids[chosen] == labels[chosen]
    assert float(masked.float().mean()) == pytest.approx(0.8, abs=0.04)
    assert float(same.float().mean()) == pytest.approx(0.1, abs=0.03)
    assert torch.equal(ids[~chosen], unmasked(batch)[~chosen])


def test_without_masks_it_is_the_line(
    rows: MaskedLines, tokenizer: PreTrainedTokenizerFast, raw_text: Path
) -> None:
    batch = batch_of(rows, [4, 9])
    for ids, mask, number in zip(unmasked(batch), batch["attention_mask"], (4, 9), strict=True):
        line = raw_text.read_text().splitlines()[number]
        assert tokenizer.decode(ids[mask == 1], skip_special_tokens=True) == line


def test_masks_follow_from_seed_epoch_and_rows(tokenizer: PreTrainedTokenizerFast, raw_text: Path) -> None:
    text = TextLines([raw_text])

    def labels(seed: int, epoch: int, *, after: list[list[int]]) -> list[list[int]]:
        rows = MaskedLines(text, np.arange(len(text)), tokenizer, 128, seed)
        rows.begin_epoch(epoch)
        for numbers in after:
            batch_of(rows, numbers)
        values: list[list[int]] = batch_of(rows, [5, 6, 7])["labels"].tolist()
        return values

    first = labels(3, 1, after=[])
    assert labels(3, 1, after=[[0, 1], [2, 3]]) == first  # what a resumed training skips changes nothing
    assert labels(3, 2, after=[]) != first
    assert labels(4, 1, after=[]) != first


def test_lines_are_cut_at_max_length(tokenizer: PreTrainedTokenizerFast, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("goal " * 40)
    rows = MaskedLines(TextLines([tmp_path / "a.txt"]), np.array([0]), tokenizer, 12, seed=3)
    assert batch_of(rows, [0])["input_ids"].shape == (1, 12)
