"""The BiLSTM student: PyTorch's own packed LSTM as the reference, and the whole way to int8."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence
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
from compress.errors import ModelError
from compress.models.trained import Trained
from compress.students.bilstm import BiLstm
from compress.students.word_embeddings import principal_components


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return tiny_teacher(tmp_path_factory.mktemp("teacher"))


@pytest.fixture
def transfer() -> Rows:
    return tiny_task(60, 5)


@pytest.mark.parametrize("pooling", ["last", "max"])
@pytest.mark.parametrize("layers", [1, 2])
def test_it_is_a_bidirectional_lstm_over_packed_texts(
    pooling: str, layers: int, teacher: Trained, transfer: Rows
) -> None:
    """The reference is one bidirectional `nn.LSTM` with the same weights, on packed sequences."""
    torch.manual_seed(0)
    options = BiLstm.model_validate(
        {"architecture": "bilstm", "hidden_size": 7, "layers": layers, "pooling": pooling, "head_size": 5}
    )
    model, _ = options.build(teacher, transfer, "cpu")
    reference = nn.LSTM(32, 7, num_layers=layers, bidirectional=True, batch_first=True)
    weights = {}
    for layer in range(layers):
        for part, suffix in ((model.forwards[layer], ""), (model.backwards[layer], "_reverse")):
            for name, value in part.state_dict().items():
                weights[name.replace("_l0", f"_l{layer}{suffix}")] = value
    reference.load_state_dict(weights)
    lengths = [9, 1, 4, 2, 9]
    ids, mask = random_batch(model, lengths)
    with torch.inference_mode():
        words = model.embeddings(ids)
        packed = pack_padded_sequence(words, torch.tensor(lengths), batch_first=True, enforce_sorted=False)
        packed_states, (final, _) = reference(packed)
        states, _ = pad_packed_sequence(packed_states, batch_first=True)
        pooled = torch.cat([final[-2], final[-1]], dim=-1)
        if pooling == "max":
            pooled = torch.stack([row[:length].amax(0) for row, length in zip(states, lengths, strict=True)])
        hidden = torch.relu(pooled @ model.hidden.weight.T + model.hidden.bias)
        expected = hidden @ model.classifier.weight.T + model.classifier.bias
    np.testing.assert_allclose(answer(model, ids, mask), expected.numpy(), atol=1e-6)


@pytest.mark.parametrize("pooling", ["last", "max"])
def test_padding_changes_no_answer(pooling: str, teacher: Trained, transfer: Rows) -> None:
    options = BiLstm.model_validate({"architecture": "bilstm", "layers": 2, "pooling": pooling})
    check_padding_changes_nothing(options.build(teacher, transfer, "cpu")[0])


def test_it_starts_from_copies_of_the_teachers_word_embeddings(teacher: Trained, transfer: Rows) -> None:
    model, tokenizer = BiLstm(architecture="bilstm").build(teacher, transfer, "cpu")
    table = teacher.model.get_input_embeddings().weight
    own = model.get_input_embeddings().weight
    assert torch.equal(own, table)
    assert own.data_ptr() != table.data_ptr()
    assert own.requires_grad
    assert tokenizer.get_vocab() == teacher.tokenizer.get_vocab()
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    assert not model.training
    assert tuple(model.config.id2label[index] for index in range(3)) == LABELS
    assert BiLstm(architecture="bilstm").config(teacher.model.config).to_dict() == model.config.to_dict()


def test_a_trimmed_vocabulary_keeps_the_words_of_the_texts(teacher: Trained) -> None:
    texts = ["goal match the was", "soup"]
    model, tokenizer = BiLstm(architecture="bilstm", vocabulary="trim").build(
        teacher, Rows(texts, None), "cpu"
    )
    assert len(tokenizer) == model.config.vocab_size < len(teacher.tokenizer)
    table = teacher.model.get_input_embeddings().weight
    for word, number in tokenizer.get_vocab().items():
        old = teacher.tokenizer.convert_tokens_to_ids(word)
        assert torch.equal(model.get_input_embeddings().weight[number], table[old])
    for text in texts:
        ours, theirs = tokenizer(text)["input_ids"], teacher.tokenizer(text)["input_ids"]
        assert tokenizer.convert_ids_to_tokens(ours) == teacher.tokenizer.convert_ids_to_tokens(theirs)


@pytest.mark.parametrize(("layers", "pooling"), [(2, "last"), (1, "max")])
def test_it_goes_over_the_disk_and_through_onnx_to_int8(
    layers: int, pooling: str, teacher: Trained, transfer: Rows, tmp_path: Path
) -> None:
    """Twice in a process, since `torch.export` of an `nn.LSTM` gives free axes the first time alone."""
    torch.manual_seed(2)
    options = BiLstm.model_validate(
        {
            "architecture": "bilstm",
            "hidden_size": 24,
            "layers": layers,
            "pooling": pooling,
            "vocabulary": "trim",
        }
    )
    model, tokenizer = options.build(teacher, transfer, "cpu")
    check_export(save_and_load(model, tokenizer, tmp_path / "student"), tmp_path)
    graph = onnx.load(str(tmp_path / "model.onnx")).graph
    # One operator a layer: unrolled, the graph would be for texts of one length.
    assert [node.op_type for node in graph.node].count("LSTM") == layers


def test_whoever_loads_students_knows_these() -> None:
    code = (
        "import compress.models.trained; from transformers import AutoConfig;"
        "AutoConfig.for_model('compress-bilstm'); AutoConfig.for_model('compress-textcnn')"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_it_learns_the_tiny_task(teacher: Trained, transfer: Rows) -> None:
    torch.manual_seed(3)
    model, tokenizer = BiLstm(architecture="bilstm", hidden_size=24).build(teacher, transfer, "cpu")
    assert accuracy_after_learning(model, tokenizer, steps=80) > 0.8


def test_narrower_embeddings_are_principal_components() -> None:
    """Against numpy's singular values: distances between the rows keep as much as any projection can."""
    table = np.random.default_rng(0).normal(size=(40, 9)) * np.arange(1, 10) + 5
    found = principal_components(torch.tensor(table, dtype=torch.float32), 4).numpy()
    centred = table - table.mean(axis=0)
    _, singular, directions = np.linalg.svd(centred, full_matrices=False)
    expected = centred @ directions[:4].T
    np.testing.assert_allclose(np.abs(found), np.abs(expected), atol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(found, axis=0), singular[:4], rtol=1e-5)
    again = principal_components(torch.tensor(table, dtype=torch.float32), 4).numpy()
    assert np.array_equal(found, again)


def test_embeddings_wider_than_the_teachers_are_refused(teacher: Trained) -> None:
    with pytest.raises(
        ModelError, match="embedding_size is 64, and the teacher's word embeddings are 32"
    ) as found:
        BiLstm(architecture="bilstm", embedding_size=64).config(teacher.model.config)
    assert found.value.remedy == "set student.embedding_size: 32, or leave it out"
