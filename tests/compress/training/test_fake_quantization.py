"""Training with rounding: the model feels what int8 does, and is itself again afterwards."""

import numpy as np
import pytest
import torch
from small_models import seen_while_training, small_model
from torch import nn

from compress.training.fake_quantization import fake_quantized
from export.quantize.qat import LearnedRanges


def test_a_layer_computes_what_int8_arithmetic_computes() -> None:
    """Against integers in plain numpy: 8-bit steps multiplied and summed, scaled once at the end."""
    torch.manual_seed(0)
    layer = nn.Linear(16, 8)
    values = torch.randn(32, 16)
    model = nn.Sequential(layer)
    ranges: LearnedRanges = {}
    with fake_quantized(model, ranges):
        model.train()
        found = model(values).detach().numpy()
    weight, bias = layer.weight.detach().numpy(), layer.bias.detach().numpy()
    low, high = float(values.min()), float(values.max())
    assert ranges["0"] == (pytest.approx(low), pytest.approx(high))
    scale, weight_scale = (high - low) / 255, np.abs(weight).max(axis=1) / 127
    zero = round(-low / scale)
    steps = np.clip(np.round(values.numpy() / scale) + zero, 0, 255).astype(np.int64)
    weight_steps = np.round(weight / weight_scale[:, None]).astype(np.int64)
    expected = (steps - zero) @ weight_steps.T * scale * weight_scale + bias
    assert np.allclose(found, expected, atol=1e-5)
    assert np.abs(found - (values.numpy() @ weight.T + bias)).max() > 1e-3  # it does round


def test_seven_bits_where_products_would_be_cut_off() -> None:
    layer = nn.Linear(16, 8)
    with fake_quantized(nn.Sequential(layer), {}, reduce_range=True):
        rounded = layer.weight.detach()
        levels = (rounded / (rounded.abs().amax(dim=1, keepdim=True) / 64)).round().abs()
    assert levels.max() == 64


def test_the_gradient_passes_inside_the_range_and_stops_outside() -> None:
    layer = nn.Linear(2, 1, bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[0.5, 1.0]]))
    model = nn.Sequential(layer)
    with fake_quantized(model, {}):
        model.train()
        model(torch.tensor([[-1.0, 1.0]]))
        model.eval()  # the range stays
        values = torch.tensor([[0.3, 5.0]], requires_grad=True)
        model(values).sum().backward()
        assert values.grad is not None
        assert values.grad[0, 0] == pytest.approx(0.5, abs=0.01)
        assert values.grad[0, 1] == 0
        assert layer.parametrizations["weight"][0] is not None
        assert layer.parametrizations.weight.original.grad is not None


def test_the_model_is_itself_again_afterwards() -> None:
    model = small_model("bert")
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with fake_quantized(model, {}):
        seen_while_training(model, [{"input_ids": np.array([[1, 5, 9, 2]])}])
    after = model.state_dict()
    assert after.keys() == before.keys()
    assert all(torch.equal(after[name], before[name]) for name in before)
    assert all(type(one) is nn.Linear for one in model.modules() if isinstance(one, nn.Linear))
    assert not any(one._forward_pre_hooks for one in model.modules())
