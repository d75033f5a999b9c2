"""Neurons are cut by their first-order importance: the right ones, and nothing else changes."""

from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from small_models import SMALL, small_model
from torch import nn
from torch.nn import functional
from transformers import (
    AutoConfig,
    AutoModelForMaskedLM,
    AutoModelForSequenceClassification,
    PreTrainedModel,
)

from compress.data.rows import NO_LABEL
from compress.errors import ModelError
from compress.models.anatomy import ANATOMIES, layers_of
from compress.models.feed_forward import cut_neurons, feed_forward_config, neuron_gates
from compress.models.importance import Importance, Units, first_order_importance, most_important
from compress.models.narrow import width_gates
from compress.training.lesson import Batch

ARCHITECTURES = ["bert", "roberta", "electra", "distilbert", "deberta-v2", "mpnet"]


@pytest.fixture
def batch() -> Batch:
    """Three texts of 9, 6 and 4 tokens, padded to 9; the second has no label."""
    torch.manual_seed(5)
    mask = (torch.arange(9) < torch.tensor([[9], [6], [4]])).long()
    ids = torch.randint(5, 300, (3, 9)) * mask
    return {"input_ids": ids, "attention_mask": mask, "labels": torch.tensor([2, NO_LABEL, 0])}


def model_of(architecture: str) -> PreTrainedModel:
    if architecture != "mpnet":
        return small_model(architecture)
    torch.manual_seed(11)
    config = AutoConfig.for_model("mpnet", **(SMALL | {"pad_token_id": 1, "initializer_range": 0.3}))
    model: PreTrainedModel = AutoModelForSequenceClassification.from_config(config).eval()
    return model


def output_layers(model: PreTrainedModel) -> list[nn.Module]:
    path = ANATOMIES[model.config.model_type].feed_forward_out
    return [layer.get_submodule(path) for layer in layers_of(model, "a test")]


def measured(model: PreTrainedModel, *batches: Batch) -> Importance:
    return first_order_importance(model, neuron_gates(model), batches, "cpu")


def kept(importance: Importance, size: int) -> list[NDArray[np.int64]]:
    return [most_important(values, size) for values in importance.values()]


def logits_of(model: PreTrainedModel, batch: Batch) -> torch.Tensor:
    with torch.inference_mode():
        answer: torch.Tensor = model(
            input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]
        ).logits
    return answer


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_dead_neurons_go_first_and_take_nothing_with_them(architecture: str, batch: Batch) -> None:
    model = model_of(architecture)
    rng = np.random.default_rng(3)
    alive = [np.sort(rng.permutation(64)[:40]) for _ in range(2)]
    with torch.no_grad():
        for module, neurons in zip(output_layers(model), alive, strict=True):
            dead = np.setdiff1d(np.arange(64), neurons)
            module.weight[:, dead] = 0  # type: ignore[operator, index]  # a parameter
    chosen = kept(measured(model, batch), 40)
    assert [list(neurons) for neurons in chosen] == [list(neurons) for neurons in alive]
    student = cut_neurons(model, chosen)
    assert sum(p.numel() for p in student.parameters()) < sum(p.numel() for p in model.parameters())
    torch.testing.assert_close(logits_of(student, batch), logits_of(model, batch), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("architecture", ["bert", "distilbert", "roberta"])
def test_the_important_half_is_worth_more_than_the_other_half(architecture: str) -> None:
    model = small_model(architecture)
    torch.manual_seed(1)
    ids = torch.randint(5, 300, (64, 12))
    batch = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    best = kept(measured(model, batch), 32)
    worst = [np.setdiff1d(np.arange(64), neurons) for neurons in best]
    full = logits_of(model, batch)
    distance = [
        float((logits_of(cut_neurons(model, half), batch) - full).square().mean()) for half in (best, worst)
    ]
    assert distance[0] < 0.7 * distance[1]


def test_nothing_changes_when_every_neuron_stays(batch: Batch) -> None:
    model = small_model("electra")
    assert torch.equal(logits_of(cut_neurons(model, [np.arange(64)] * 2), batch), logits_of(model, batch))


def test_the_weights_are_copies(batch: Batch) -> None:
    model = small_model("bert")
    before = logits_of(model, batch)
    with torch.no_grad():
        for parameter in cut_neurons(model, [np.arange(64)] * 2).parameters():
            parameter.zero_()
    assert torch.equal(logits_of(model, batch), before)


# The reference: a unit's gate moves by a small step when the weights around it are scaled.


def columns_of_output(model: PreTrainedModel, unit: int) -> Iterator[torch.Tensor]:
    yield output_layers(model)[1].weight[:, unit]  # type: ignore[index, misc]  # a parameter


def columns_of_head(model: PreTrainedModel, unit: int) -> Iterator[torch.Tensor]:
    yield model.bert.encoder.layer[0].attention.output.dense.weight[:, unit * 8 : unit * 8 + 8]


def norms(model: PreTrainedModel, unit: int) -> Iterator[torch.Tensor]:
    for module in model.modules():
        if isinstance(module, nn.LayerNorm):
            yield module.weight[unit : unit + 1]
            yield module.bias[unit : unit + 1]


def row_of_pooler(model: PreTrainedModel, unit: int) -> Iterator[torch.Tensor]:
    yield model.bert.pooler.dense.weight[unit]
    yield model.bert.pooler.dense.bias[unit : unit + 1]


@pytest.mark.parametrize(
    ("units", "weights"),
    [
        (Units("neurons", 2), columns_of_output),
        (Units("heads", 1), columns_of_head),
        (Units("width"), norms),
        (Units("pooled"), row_of_pooler),
    ],
    ids=["neurons", "heads", "width", "pooled"],
)
def test_importance_is_the_sum_over_texts_of_the_derivative_s_size(
    units: Units, weights: Callable[[PreTrainedModel, int], Iterator[torch.Tensor]], batch: Batch
) -> None:
    """Finite differences of the loss, text by text, in float64."""
    model = small_model("bert").double()
    gates = neuron_gates(model) | width_gates(model)
    found = first_order_importance(model, gates, [batch], "cpu")[units]
    answers = logits_of(model, batch).argmax(dim=-1)
    targets = [2, int(answers[1]), 0]  # its own answer where there is no label

    def losses() -> torch.Tensor:
        return functional.cross_entropy(logits_of(model, batch), torch.tensor(targets), reduction="none")

    step = 1e-5
    expected = []
    with torch.no_grad():
        for unit in range(len(found)):
            sides = []
            for factor in (1 + step, (1 - step) / (1 + step), 1 / (1 - step)):
                for values in weights(model, unit):
                    values.mul_(factor)
                sides.append(losses())
            expected.append(float((sides[0] - sides[1]).abs().sum()) / (2 * step))
    assert max(expected) > 1e-3
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_neither_padding_nor_neighbours_change_what_a_text_adds(architecture: str, batch: Batch) -> None:
    model = model_of(architecture)
    together = measured(model, batch)
    alone = [
        {
            "input_ids": batch["input_ids"][row : row + 1, :length],
            "attention_mask": batch["attention_mask"][row : row + 1, :length],
            "labels": batch["labels"][row : row + 1],
        }
        for row, length in enumerate((9, 6, 4))
    ]
    for units, values in measured(model, *alone).items():
        np.testing.assert_allclose(values, together[units], rtol=1e-3, atol=1e-6)


def test_padding_does_not_change_what_a_masked_language_model_finds_important(batch: Batch) -> None:
    model = AutoModelForMaskedLM.from_config(small_model("bert").config).eval()
    short = {name: batch[name][1:2, :6] for name in ("input_ids", "attention_mask")}
    padded = {name: batch[name][1:2] for name in ("input_ids", "attention_mask")}
    for units, values in measured(model, short).items():
        assert values.max() > 0
        np.testing.assert_allclose(values, measured(model, padded)[units], rtol=1e-3, atol=1e-6)


def test_measuring_leaves_the_model_as_it_was(batch: Batch) -> None:
    model = small_model("bert")
    before = logits_of(model, batch)
    measured(model, batch)
    assert torch.equal(logits_of(model, batch), before)
    assert all(parameter.grad is None for parameter in model.parameters())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def test_more_neurons_than_the_teacher_has_are_refused() -> None:
    with pytest.raises(ModelError, match=r"student.intermediate_size is 65, .* have 64 neurons") as refused:
        feed_forward_config(small_model("distilbert").config, 65)
    assert refused.value.expected == "a number from 1 to 64"
    assert refused.value.remedy == "set student.intermediate_size: 32"


def test_architectures_whose_neurons_are_not_known_are_refused() -> None:
    with pytest.raises(ModelError, match="neurons cannot be cut out of a modernbert model") as refused:
        feed_forward_config(small_model("modernbert").config, 8)
    assert "distilbert" in refused.value.expected
    assert refused.value.remedy == "leave student.intermediate_size out"
