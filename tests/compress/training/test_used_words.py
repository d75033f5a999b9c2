"""An embedding table cut down to the words in use: nothing that is learned depends on it."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from lessons import make, optimizer_of, ragged_batch
from small_models import ARCHITECTURES, small_model
from trainings import WordsLesson, weights_after_training
from transformers import PreTrainedModel

from compress.models.word_models import (
    BiLstmConfig,
    BiLstmForSequenceClassification,
    TextCnnConfig,
    TextCnnForSequenceClassification,
)
from compress.training.lesson import Lesson
from compress.training.used_words import only_used_words

WORDS = {"vocab_size": 300, "embedding_size": 16, "num_labels": 3}


def bilstm() -> PreTrainedModel:
    return BiLstmForSequenceClassification(BiLstmConfig(**WORDS, hidden_size=8, head_size=8))


def textcnn() -> PreTrainedModel:
    return TextCnnForSequenceClassification(TextCnnConfig(**WORDS, filters=8))


MAKERS: dict[str, Callable[[], PreTrainedModel]] = {
    **{name: partial(small_model, name) for name in ARCHITECTURES},
    "bilstm": bilstm,
    "textcnn": textcnn,
}


def model_of(architecture: str) -> PreTrainedModel:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        return MAKERS[architecture]()


def batches(architecture: str) -> list[dict[str, torch.Tensor]]:
    pad = int(str(ARCHITECTURES.get(architecture, {}).get("pad_token_id", 0)))
    return [ragged_batch((9, 4, 7), pad=pad, seed=seed) for seed in range(3)]


def learn(lesson: Lesson, architecture: str) -> dict[str, np.ndarray]:
    """Three steps, with dropout; the weights after them."""
    torch.manual_seed(5)
    lesson.train()
    optimizer = optimizer_of(lesson, 1e-2)
    for batch in batches(architecture):
        optimizer.zero_grad()
        lesson.loss(batch).backward()
        optimizer.step()
    lesson.eval()
    return {name: one.detach().numpy().copy() for name, one in lesson.student.named_parameters()}


@pytest.mark.parametrize("architecture", MAKERS)
def test_all_weights_are_the_same_to_the_bit(architecture: str) -> None:
    usual = learn(WordsLesson(model_of(architecture)), architecture)
    lesson = WordsLesson(model_of(architecture))
    table = lesson.student.get_input_embeddings()
    before = table.weight.detach().clone()
    used = torch.cat([batch["input_ids"].flatten() for batch in batches(architecture)]).numpy()
    with only_used_words(lesson, used) as cut:
        assert cut
        assert len(table.weight) < len(before)
        learn(lesson, architecture)
    after = {name: one.detach().numpy() for name, one in lesson.student.named_parameters()}
    assert after.keys() == usual.keys()
    for name, weights in usual.items():
        assert (after[name] == weights).all(), name
    changed = (table.weight != before).any(dim=1).nonzero().flatten().tolist()
    assert changed
    assert set(changed) <= set(used.tolist())
    assert table.weight.shape == before.shape
    assert not table._forward_pre_hooks


def test_a_whole_training_gives_the_same_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cut = weights_after_training(tmp_path / "cut", tells=True, weight_decay=0.0)
    usual = weights_after_training(tmp_path / "usual", weight_decay=0.0)
    start = {name: one.detach().numpy() for name, one in make("bert").named_parameters()}
    assert any(np.abs(usual[name] - start[name]).max() > 1e-3 for name in start)
    for name, weights in usual.items():
        # Not to the bit: the norm that clips the gradients is summed in another order.
        np.testing.assert_allclose(cut[name], weights, atol=2e-5, err_msg=name)
    # The planted fault: without the cut, what decays is the whole table.
    name = "bert.embeddings.word_embeddings.weight"
    decayed = weights_after_training(tmp_path / "decayed", weight_decay=0.5)[name]
    kept = weights_after_training(tmp_path / "kept", tells=True, weight_decay=0.5)[name]
    used = np.unique(ragged_batch([5, 9, 4, 7, 12, 3, 6, 8])["input_ids"])
    unused = np.setdiff1d(np.arange(len(kept)), used)
    assert (kept[unused] == start[name][unused]).all()
    assert (decayed[unused] != start[name][unused]).any()


def test_a_word_that_was_not_named_is_an_error_and_everything_is_put_back() -> None:
    lesson = WordsLesson(make("bert"))
    table = lesson.student.get_input_embeddings()
    before = table.weight
    with pytest.raises(IndexError), only_used_words(lesson, np.arange(50)):
        lesson.loss(ragged_batch())
    assert table.weight is before
    lesson.loss(ragged_batch())


def left_alone(lesson: Lesson, token_ids: np.ndarray | None) -> bool:
    table = lesson.student.get_input_embeddings()
    before = table.weight
    with only_used_words(lesson, token_ids) as cut:
        return not cut and table.weight is before


def test_tables_that_others_need_whole_are_left_alone() -> None:
    few = np.arange(20)
    assert left_alone(WordsLesson(make("bert", masked_lm=True)), few)  # its head has the same weights
    assert left_alone(WordsLesson(make("bert")), None)  # nobody knows the words
    assert left_alone(WordsLesson(make("bert")), np.arange(290))  # nearly all of 300 are in use
    frozen = make("bert")
    frozen.get_input_embeddings().requires_grad_(False)
    assert left_alone(WordsLesson(frozen), few)
    assert not left_alone(WordsLesson(make("bert")), few)
