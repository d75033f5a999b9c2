"""A training that feels what static int8 will do to the model (Jacob et al. 2018, section 3).

Weights, and what they are multiplied with, are rounded in the forward pass as the int8 file will round them; the
gradient passes the rounding as if it were not there, and stops where a value was cut off.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn
from torch.nn.utils import parametrize

from export.quantize.qat import LearnedRanges

_MOMENTUM = 0.99  # of the ranges, by step
_SMALLEST = 1e-8
_LEVELS = 255  # of an unsigned activation
_NAME = "activations"


@contextmanager
def fake_quantized(model: nn.Module, ranges: LearnedRanges, *, reduce_range: bool = False) -> Iterator[None]:
    """Every `nn.Linear` of the model rounds inside; afterwards it is as it was, and `ranges` is filled in.

    With `reduce_range` the weights have 7 bits, as on processors that would cut sums of 8-bit products off.
    """
    linears = {name: one for name, one in model.named_modules() if isinstance(one, nn.Linear)}
    hooks = []
    for linear in linears.values():
        parametrize.register_parametrization(linear, "weight", _RoundedWeights(64 if reduce_range else 127))
        linear.add_module(_NAME, _RoundedActivations().to(linear.weight.device))
        hooks.append(linear.register_forward_pre_hook(_round_input))
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
        for name, linear in linears.items():
            seen = linear.get_submodule(_NAME)
            assert isinstance(seen, _RoundedActivations)
            if bool(seen.begun):
                ranges[name] = (float(seen.low), float(seen.high))
            delattr(linear, _NAME)
            parametrize.remove_parametrizations(linear, "weight", leave_parametrized=False)


def _round_input(linear: nn.Module, inputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
    values, *rest = inputs
    return (linear.get_submodule(_NAME)(values), *rest)


class _RoundedWeights(nn.Module):
    """A matrix (out, in) in signed steps, one scale per output channel, zero at zero."""

    def __init__(self, levels: int) -> None:
        super().__init__()
        self._levels = levels

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        largest = weight.detach().abs().amax(dim=1, keepdim=True)
        scale = largest.clamp_min(_SMALLEST) / self._levels
        rounded = (weight.detach() / scale).round() * scale
        return weight + (rounded - weight.detach())


class _RoundedActivations(nn.Module):
    """Values in 256 steps over a range that follows what was seen while training, zero among them."""

    low: torch.Tensor
    high: torch.Tensor
    begun: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        # Buffers, so that they lie in checkpoints and go back to the best one's.
        self.register_buffer("low", torch.zeros(()))
        self.register_buffer("high", torch.zeros(()))
        self.register_buffer("begun", torch.zeros((), dtype=torch.bool))

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        wide = values.float()
        if self.training:
            self._follow(wide.detach())
        if not self.begun:
            return values
        scale = ((self.high - self.low) / _LEVELS).clamp_min(_SMALLEST)
        zero = (-self.low / scale).round()
        with torch.no_grad():
            steps = ((wide / scale).round() + zero).clamp(0, _LEVELS)
            rounded = (steps - zero) * scale
        kept = wide.clamp(self.low, self.high)
        return (kept + (rounded - kept).detach()).to(values.dtype)

    @torch.no_grad()
    def _follow(self, values: torch.Tensor) -> None:
        low, high = values.amin().clamp(max=0), values.amax().clamp(min=0)
        weight = 1 - _MOMENTUM if self.begun else 1.0
        self.low.lerp_(low, weight)
        self.high.lerp_(high, weight)
        self.begun.fill_(True)
