"""Fine-tuning that feels the rounding of int8 (Jacob et al. 2018, arXiv 1712.05877), so that weights get used to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Callable

LARGEST_WEIGHT, LARGEST_ACTIVATION = 64, 255  # 7 and 8 bits, as in `quantise`
FOLLOWED = 0.05  # of each batch's range that the range of activations follows by
TINY = 1e-8


class Rounded(nn.Module):
    """A convolution or a linear layer whose weights and input are rounded as the int8 graph will round them.

    Weights lie evenly around zero with a scale a channel, inputs in the range that was seen with a scale in all; what
    is rounded is differentiated as if it were not (Bengio et al. 2013, straight-through). A batch norm behind the
    layer changes nothing: it is folded in, and scales each channel with its scale.

    Args:
        layer: Its weights are trained on in place.
    """

    low: torch.Tensor
    high: torch.Tensor

    def __init__(self, layer: nn.Conv2d | nn.Linear) -> None:
        super().__init__()
        self.layer = layer
        self.register_buffer("low", torch.tensor(0.0))
        self.register_buffer("high", torch.tensor(0.0))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """As the layer does."""
        if self.training:
            self._look_at(x.detach())
        x, weight = self._rounded_input(x), rounded_weight(self.layer.weight)
        if isinstance(self.layer, nn.Linear):
            return functional.linear(x, weight, self.layer.bias)
        convolved: torch.Tensor = self.layer._conv_forward(x, weight, self.layer.bias)  # noqa: SLF001  # it pads as asked
        return convolved

    def _look_at(self, x: torch.Tensor) -> None:
        """Takes the range of the first batch, and follows those after it; zero is in it always."""
        low, high = x.amin().float().clamp(max=0.0), x.amax().float().clamp(min=0.0)
        share = torch.where(self.high > self.low, FOLLOWED, 1.0)
        self.low.lerp_(low, share)
        self.high.lerp_(high, share)

    def _rounded_input(self, x: torch.Tensor) -> torch.Tensor:
        scale = ((self.high - self.low) / LARGEST_ACTIVATION).clamp_min(TINY)
        zero = (-self.low / scale).round().clamp(0, LARGEST_ACTIVATION).to(torch.int32)
        return torch.fake_quantize_per_tensor_affine(x.float(), scale, zero, 0, LARGEST_ACTIVATION)


def rounded_weight(weight: torch.Tensor) -> torch.Tensor:
    """Weights, their first axis the outputs, on the nearest of 129 levels of each output."""
    scale_o = weight.detach().flatten(1).abs().amax(1).float().clamp_min(TINY) / LARGEST_WEIGHT
    zero_o = torch.zeros_like(scale_o, dtype=torch.int32)
    return torch.fake_quantize_per_channel_affine(weight.float(), scale_o, zero_o, 0, -LARGEST_WEIGHT, LARGEST_WEIGHT)


def made_aware(network: nn.Module, tune: Callable[[nn.Module], None]) -> nn.Module:
    """Trains a network on with rounding in it, and takes the rounding out again: float weights that bear int8.

    Args:
        network: In float; it is changed in place.
        tune: Trains it on, in place.
    """
    network.requires_grad_()
    for parent in list(network.modules()):
        for name, layer in list(parent.named_children()):
            if isinstance(layer, nn.Conv2d | nn.Linear):
                setattr(parent, name, Rounded(layer))
    tune(network)
    for parent in list(network.modules()):
        for name, layer in list(parent.named_children()):
            if isinstance(layer, Rounded):
                setattr(parent, name, layer.layer)
    return network.eval()
