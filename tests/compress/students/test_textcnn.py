"""The TextCNN student against Kim's formula in plain numpy, and the whole way to int8."""

from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from word_students import (
    LABELS,
    accuracy_after_learning,
    answer,
    check_export,
    check_padding_changes_nothing,
    random_batch,
    save_and_load,
    tiny_task,
    tiny_teacher,
)

from compress.data.rows import Rows
from compress.models.trained import Trained
from compress.students.textcnn import TextCnn
from compress.students.word_embeddings import principal_components


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return tiny_teacher(tmp_path_factory.mktemp("teacher"))


@pytest.fixture
def transfer() -> Rows:
    return tiny_task(60, 5)


def test_it_computes_what_the_paper_says(teacher: Trained, transfer: Rows) -> None:
    """Equations 2 to 4: c_i = f(w . x_{i:i+h-1} + b), the maximum over i, then a linear layer."""
    model, _ = TextCnn(architecture="textcnn", filters=6).build(teacher, transfer, "cpu")
    lengths = [1, 2, 3, 4, 5, 6, 11]
    ids, mask = random_batch(model, lengths)
    state = {name: value.numpy() for name, value in model.state_dict().items()}
    expected = []
    for row, length in enumerate(lengths):
        words = state["embeddings.weight"][ids[row, :length].numpy()]
        features = []
        for place, size in enumerate((3, 4, 5)):
            text = np.concatenate([words, np.zeros((max(0, size - length), words.shape[1]))])
            windows = np.stack([text[start : start + size].T for start in range(len(text) - size + 1)])
            weight, bias = state[f"convolutions.{place}.weight"], state[f"convolutions.{place}.bias"]
            features.append(np.maximum(np.einsum("nch,fch->nf", windows, weight) + bias, 0).max(axis=0))
        expected.append(state["classifier.weight"] @ np.concatenate(features) + state["classifier.bias"])
    np.testing.assert_allclose(answer(model, ids, mask), np.stack(expected), atol=1e-5)


@pytest.mark.parametrize("sizes", [[3, 4, 5], [1], [9]])
def test_padding_changes_no_answer(sizes: list[int], teacher: Trained, transfer: Rows) -> None:
    options = TextCnn(architecture="textcnn", kernel_sizes=sizes)
    check_padding_changes_nothing(options.build(teacher, transfer, "cpu")[0])


def test_it_starts_from_the_teachers_word_embeddings(teacher: Trained, transfer: Rows) -> None:
    table = teacher.model.get_input_embeddings().weight
    model, tokenizer = TextCnn(architecture="textcnn").build(teacher, transfer, "cpu")
    assert torch.equal(model.get_input_embeddings().weight, table)
    assert tokenizer.get_vocab() == teacher.tokenizer.get_vocab()
    assert tuple(model.config.id2label[index] for index in range(3)) == LABELS
    narrow, _ = TextCnn(architecture="textcnn", embedding_size=8).build(teacher, transfer, "cpu")
    assert torch.equal(narrow.get_input_embeddings().weight, principal_components(table, 8))


def test_it_goes_over_the_disk_and_through_onnx_to_int8(
    teacher: Trained, transfer: Rows, tmp_path: Path
) -> None:
    torch.manual_seed(2)
    options = TextCnn(architecture="textcnn", embedding_size=16, vocabulary="trim")
    model, tokenizer = options.build(teacher, transfer, "cpu")
    check_export(save_and_load(model, tokenizer, tmp_path / "student"), tmp_path)


def test_it_learns_the_tiny_task(teacher: Trained, transfer: Rows) -> None:
    torch.manual_seed(3)
    model, tokenizer = TextCnn(architecture="textcnn").build(teacher, transfer, "cpu")
    assert accuracy_after_learning(model, tokenizer, steps=60) > 0.8


@pytest.mark.parametrize("sizes", [[], [3, 3], [0]])
def test_sizes_that_make_no_sense_are_refused(sizes: list[int]) -> None:
    with pytest.raises(ValidationError, match="kernel_sizes"):
        TextCnn(architecture="textcnn", kernel_sizes=sizes)
