"""Layers left out at random: each with its probability, as if they were not there, and put back."""

import copy

import numpy as np
import pytest
import torch
from lessons import make, ragged_batch
from torch import nn
from transformers import PreTrainedModel

from compress.errors import ModelError
from compress.models.anatomy import ANATOMIES, layers_of
from compress.models.layer_drop import dropped_layers, require_droppable_layers
from compress.recipe_file import check_recipe
from compress.training.lesson import Batch


def inputs(model: PreTrainedModel, lengths: tuple[int, ...] = (9, 4, 7)) -> Batch:
    batch = ragged_batch(lengths, pad=model.config.pad_token_id or 0)
    return {name: batch[name] for name in ("input_ids", "attention_mask")}


def left_out(model: PreTrainedModel) -> list[int]:
    return [place for place, layer in enumerate(layers_of(model, "a test")) if "forward" in layer.__dict__]


def without(model: PreTrainedModel, places: list[int]) -> PreTrainedModel:
    """A model whose list of layers is shorter: the reference."""
    shorter = copy.deepcopy(model)
    layers = layers_of(shorter, "a test")
    kept = nn.ModuleList(layer for place, layer in enumerate(layers) if place not in places)
    parent, _, name = ANATOMIES[model.config.model_type].layers.rpartition(".")
    setattr(shorter.base_model.get_submodule(parent), name, kept)
    setattr(shorter.config, ANATOMIES[model.config.model_type].layer_count, len(kept))
    return shorter


@pytest.mark.parametrize("architecture", sorted(ANATOMIES))
# Two texts: an encoder that unpacks what a layer gives would take the texts for its parts in silence.
@pytest.mark.parametrize("lengths", [(9, 4, 7), (6, 8)])
def test_a_model_answers_as_if_the_layers_were_not_there(architecture: str, lengths: tuple[int, ...]) -> None:
    model = make(architecture, layers=4)
    batch = inputs(model, lengths)
    seen = set()
    with torch.no_grad():
        for seed in range(12):
            torch.manual_seed(seed)
            with dropped_layers(model, 0.4):
                places = left_out(model)
                found = model(**batch).logits
            if len(places) == 4:  # transformers' own encoders do not all take an empty list
                continue
            expected = without(model, places)(**batch).logits
            np.testing.assert_allclose(found.numpy(), expected.numpy(), atol=1e-5)
            seen.add(tuple(places))
    assert len(seen - {()}) > 2


def test_a_rate_of_zero_is_the_plain_model_and_draws_nothing() -> None:
    model = make("bert", layers=4)
    batch = inputs(model)
    torch.manual_seed(5)
    before = torch.get_rng_state()
    with torch.no_grad(), dropped_layers(model, 0.0):
        assert left_out(model) == []
        found = model(**batch).logits
    assert torch.equal(torch.get_rng_state(), before)
    with torch.no_grad():
        assert torch.equal(found, model(**batch).logits)


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_the_share_of_layers_that_are_left_out_is_the_rate(rate: float) -> None:
    model = make("bert", layers=6)
    torch.manual_seed(1)
    counts = np.zeros(6)
    draws = 2000
    for _ in range(draws):
        with dropped_layers(model, rate):
            counts[left_out(model)] += 1
    deviation = np.sqrt(rate * (1 - rate) / draws)
    assert np.abs(counts / draws - rate).max() < 4.5 * deviation  # each layer alike


def test_layers_are_put_back_also_after_an_exception() -> None:
    model = make("bert", layers=4)
    batch = inputs(model)
    with torch.no_grad():
        before = model(**batch).logits

    def step() -> None:
        with dropped_layers(model, 0.999):
            assert len(left_out(model)) == 4
            raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError, match="out of memory"):
        step()
    assert left_out(model) == []
    with torch.no_grad():
        assert torch.equal(model(**batch).logits, before)


@pytest.mark.parametrize("architecture", ["bert", "deberta-v2"])
def test_a_layer_that_was_left_out_gets_no_gradients(architecture: str) -> None:
    model = make(architecture, layers=4)
    model.train()
    torch.manual_seed(2)
    with dropped_layers(model, 0.5):
        places = left_out(model)
        model(**inputs(model)).logits.square().sum().backward()
    assert 0 < len(places) < 4
    for place, layer in enumerate(layers_of(model, "a test")):
        gradients = [parameter.grad for parameter in layer.parameters()]
        if place in places:
            assert gradients == [None] * len(gradients)  # so weight decay leaves it alone too
        else:
            assert any(gradient is not None and gradient.abs().sum() > 0 for gradient in gradients)


def test_an_architecture_without_a_list_of_layers_is_refused() -> None:
    from small_models import small_model

    model = small_model("albert")
    with pytest.raises(ModelError) as refused, dropped_layers(model, 0.2):
        pass
    message = str(refused.value)
    assert "teacher.train.layer_drop" in message
    assert "albert" in message
    assert "take layer_drop out" in message
    require_droppable_layers(make("mpnet").config)


def test_the_recipe_has_it() -> None:
    recipe = {"data": {"path": "x"}, "teacher": {"model": "y", "train": {"layer_drop": 0.2}}}
    config = check_recipe(recipe)
    assert config.teachers[0].train.layer_drop == 0.2  # type: ignore[union-attr]  # it was given
