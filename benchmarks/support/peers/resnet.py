"""ResNet-18 (He et al. 2016) in plain PyTorch: the fixed teacher that compression is compared with.

11.2 million weights with seven labels. The product's network is trained with the same config, so that no oversized
teacher of its own flatters a ratio.

Legend: N samples, C channels, H and W pixels, L labels.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Literal, get_args

import torch
from torch import nn
from torch.nn import functional

from models.components.randomness import derived_seed
from models.expression.module import ExpressionModule
from models.expression.params import TrainParams

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

Stem = Literal["7x7/2+pool", "3x3/2", "3x3"]
STEMS: tuple[Stem, ...] = get_args(Stem)
WIDTHS, DEPTHS = (64, 128, 256, 512), (2, 2, 2, 2)


class ResNetParams(TrainParams):
    """The training config of the product's family, for this network."""

    stem: Stem = "3x3/2"
    """What comes before the blocks; see `stem_of`."""


# Written out, with the current values of the product's config, so that a change of that one does not affect this one.
class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut; a 1x1 convolution if the shape changes."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.first_norm = nn.BatchNorm2d(outputs)
        self.second = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.second_norm = nn.BatchNorm2d(outputs)
        self.around: nn.Module = nn.Identity()
        if inputs != outputs or stride > 1:
            self.around = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x_nchw: torch.Tensor) -> torch.Tensor:
        """N,C,H,W -> N,C',H/stride,W/stride."""
        y_nchw = functional.relu(self.first_norm(self.first(x_nchw)))
        return functional.relu(self.second_norm(self.second(y_nchw)) + self.around(x_nchw))


class ResNet(nn.Module):
    """Normalised pictures N,C,H,W -> logits N,L.

    Args:
        labels: Number of labels.
        channels: 1 for grey, 3 for colour.
        widths: Channels of each resolution.
        depths: Blocks at each resolution.
        stem: The layers before them; see `stem_of`.
    """

    def __init__(
        self,
        labels: int,
        channels: int,
        widths: Sequence[int] = WIDTHS,
        depths: Sequence[int] = DEPTHS,
        stem: Stem = "3x3/2",
    ) -> None:
        super().__init__()
        self.stem = stem_of(stem, channels, widths[0])
        self.body = nn.Sequential(*_blocks(widths, depths))
        self.head = nn.Linear(widths[-1], labels)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, pictures_nchw: torch.Tensor) -> torch.Tensor:
        """Normalised pictures N,C,H,W -> logits N,L."""
        logits_nl: torch.Tensor = self.head(self.body(self.stem(pictures_nchw)).mean((2, 3)))
        return logits_nl


def stem_of(stem: Stem, channels: int, width: int) -> nn.Sequential:
    """The layers before the blocks.

    For a picture of 48 px, `7x7/2+pool`, as published for 224 px, leaves 12x12 positions to the first blocks and costs
    0.09 billion multiply-adds; `3x3`, as is usual for small pictures, leaves all 48x48 and costs 1.3 billion, more than
    30 minutes of two processor cores can afford. `3x3/2` lies between: 24x24 positions, 0.3 billion.
    """
    size, stride, pool = {"7x7/2+pool": (7, 2, True), "3x3/2": (3, 2, False), "3x3": (3, 1, False)}[stem]
    convolution = nn.Conv2d(channels, width, size, stride, size // 2, bias=False)
    layers = [convolution, nn.BatchNorm2d(width), nn.ReLU()]
    return nn.Sequential(*layers, *([nn.MaxPool2d(3, 2, 1)] if pool else []))


def _blocks(widths: Sequence[int], depths: Sequence[int]) -> list[BasicBlock]:
    blocks = [BasicBlock(widths[0], widths[0], 1) for _ in range(depths[0])]
    for (before, width), depth in zip(pairwise(widths), depths[1:], strict=True):
        blocks.append(BasicBlock(before, width, 2))
        blocks.extend(BasicBlock(width, width, 1) for _ in range(depth - 1))
    return blocks


def module(info: Mapping[str, Any], params: ResNetParams) -> ExpressionModule:
    """A new ResNet in the product's training module, with weights drawn from params.seed alone."""
    labels = len(info["labels"])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derived_seed(params.seed, "weights"))
        network = ResNet(labels, info["channels"], params.widths, params.depths, params.stem)
    return ExpressionModule(network, params, info["mean"], info["std"], labels, info.get("label_shares"))
