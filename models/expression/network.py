"""Network of residual blocks of wide 3x3 convolutions (He et al. 2016), without depthwise convolutions.

Sizes are chosen for the runtime: static int8 runs wide 3x3 convolutions three times faster than float.

Legend: N samples, C channels, H and W pixels, L labels.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

from rushes.errors import MisuseError

if TYPE_CHECKING:
    from collections.abc import Sequence


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with a skip connection; `stride` 2 halves the resolution."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.first_norm = nn.BatchNorm2d(outputs)
        self.second = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.second_norm = nn.BatchNorm2d(outputs)
        self.around = _around(inputs, outputs, stride)

    def forward(self, x_nchw: torch.Tensor) -> torch.Tensor:
        """N,C,H,W -> N,C',H/stride,W/stride."""
        y_nchw = functional.relu(self.first_norm(self.first(x_nchw)))
        return functional.relu(self.second_norm(self.second(y_nchw)) + self.around(x_nchw))


def _around(inputs: int, outputs: int, stride: int) -> nn.Module:
    if inputs == outputs and stride == 1:
        return nn.Identity()
    # Averaging before the 1x1 convolution keeps information that a stride would discard (He et al. 2019, ResNet-D).
    shrink = nn.AvgPool2d(stride) if stride > 1 else nn.Identity()
    return nn.Sequential(shrink, nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs))


class ExpressionNetwork(nn.Module):
    """Network from images of faces to one logit per label.

    Args:
        labels: Number of labels.
        channels: 1 for grey, 3 for colour.
        widths: Channels of each resolution; each resolution is half the previous one.
        depths: Number of blocks at each resolution.
        dropout: Share of features dropped before the last layer.
    """

    def __init__(
        self, labels: int, channels: int, widths: Sequence[int], depths: Sequence[int], dropout: float
    ) -> None:
        super().__init__()
        if len(widths) != len(depths):
            message = f"expression.train: widths and depths must be of one length, not {len(widths)} and {len(depths)}"
            raise MisuseError(message, "give one width and one depth for each resolution, in params.yaml")
        # Convert blocks of 2x2 pixels to channels, so that the first convolution is already wide.
        self.stem = nn.Sequential(
            nn.PixelUnshuffle(2),
            nn.Conv2d(4 * channels, widths[0], 3, 1, 1, bias=False),
            nn.BatchNorm2d(widths[0]),
            nn.ReLU(),
        )
        self.body = nn.Sequential(*_blocks(widths, depths))
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(widths[-1], labels)

    def forward(self, pictures_nchw: torch.Tensor) -> torch.Tensor:
        """Normalised images N,C,H,W -> logits N,L."""
        # Average over the last resolution (global average pooling).
        features_nc = self.body(self.stem(pictures_nchw)).mean((2, 3))
        logits_nl: torch.Tensor = self.head(self.dropout(features_nc))
        return logits_nl


def _blocks(widths: Sequence[int], depths: Sequence[int]) -> list[ResidualBlock]:
    blocks = [ResidualBlock(widths[0], widths[0], 1) for _ in range(depths[0])]
    for (before, width), depth in zip(pairwise(widths), depths[1:], strict=True):
        blocks.append(ResidualBlock(before, width, 2))
        blocks.extend(ResidualBlock(width, width, 1) for _ in range(depth - 1))
    return blocks


class ExportWrapper(nn.Module):
    """Export wrapper: the network with its pre- and post-processing, in the form used by the runtime.

    Args:
        network: The trained network.
        mean: Mean of the training images, in 0..1.
        std: Standard deviation of the training images, in 0..1.
        temperature: Divisor of the logits that calibrates the probabilities (Guo et al. 2017).
    """

    def __init__(self, network: nn.Module, mean: float, std: float, temperature: float) -> None:
        super().__init__()
        self.network = network
        self.scale = 1.0 / (255.0 * std)
        self.offset = -mean / std
        self.temperature = temperature

    def forward(self, pictures_nhwc: torch.Tensor) -> torch.Tensor:
        """Images uint8 N,H,W,C -> probabilities float32 N,L."""
        x_nchw = pictures_nhwc.permute(0, 3, 1, 2).float() * self.scale + self.offset
        return torch.softmax(self.network(x_nchw) / self.temperature, dim=1)
