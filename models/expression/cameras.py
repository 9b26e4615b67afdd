"""Pictures as other cameras take them: light, blur, resolution and compression, as tensor operations on a batch.

They come before normalisation, on levels of 0 to 255, and before the crop moves: a camera lights, blurs, samples and
compresses a picture, and only then is a face cropped from it.
"""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional

if TYPE_CHECKING:
    from models.expression.params import CameraParams

WHITE = 255.0
# Luminance table of JPEG at quality 50 (ITU-T T.81, annex K.1), row by row.
QUANTA = (
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51,
    87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92, 49, 64, 78, 87, 103, 121, 120, 101,
    72, 92, 95, 98, 112, 100, 103, 99,
)  # fmt: skip
BLOCK = 8


def other_cameras(pictures_nhwc: torch.Tensor, params: CameraParams, generator: torch.Generator) -> torch.Tensor:
    """Changes images as another camera or another light would.

    Each effect hits other images, `params.share` of the batch, and is computed for those alone: at 0.3 all take 2 ms
    for 32 images of 48 px on one thread.

    Args:
        pictures_nhwc: Images, uint8 N,H,W,C.
        params: The share of images that each effect hits, and the limits of the effects.
        generator: Source of all random numbers, on the images' device.

    Returns:
        Images float N,H,W,C from 0 to 255; those given if the share is 0.
    """
    if params.share == 0:
        return pictures_nhwc
    levels_nchw = pictures_nhwc.permute(0, 3, 1, 2).float()
    effects = [_gamma, _shadow, _blur, _resolution, _jpeg]
    for effect in effects if pictures_nhwc.shape[3] == 1 else [_fade, _cast, *effects]:
        # A number of images that depends on nothing random keeps shapes static, and a GPU busy.
        rows_k = torch.randperm(len(levels_nchw), generator=generator, device=generator.device)
        rows_k = rows_k[: math.ceil(params.share * len(levels_nchw))]
        levels_nchw = levels_nchw.index_copy(0, rows_k, effect(levels_nchw[rows_k], params, generator))
    return levels_nchw.clamp(0.0, WHITE).permute(0, 2, 3, 1)


def _uniform(count: int, low: float, high: float, generator: torch.Generator) -> torch.Tensor:
    values_n = torch.rand(count, generator=generator, device=generator.device) * (high - low) + low
    return values_n[:, None, None, None]


def _fade(levels_nchw: torch.Tensor, params: CameraParams, generator: torch.Generator) -> torch.Tensor:
    """Colours that fade towards grey."""
    share_n = _uniform(len(levels_nchw), 0.0, params.fade, generator)
    return torch.lerp(levels_nchw, levels_nchw.mean(1, keepdim=True), share_n)


def _cast(levels_nchw: torch.Tensor, params: CameraParams, generator: torch.Generator) -> torch.Tensor:
    """Colour cast: a gain for each channel."""
    gains = [_uniform(len(levels_nchw), 1.0 - params.cast, 1.0 + params.cast, generator) for _ in levels_nchw[0]]
    return levels_nchw * torch.cat(gains, 1)


def _gamma(levels_nchw: torch.Tensor, params: CameraParams, generator: torch.Generator) -> torch.Tensor:
    """An exponent that leaves black and white; below 1 (brighter) as often as above it."""
    limit = math.log1p(params.gamma)
    exponent_n = torch.exp(_uniform(len(levels_nchw), -limit, limit, generator))
    return WHITE * (levels_nchw / WHITE) ** exponent_n


def _shadow(levels_nchw: torch.Tensor, params: CameraParams, generator: torch.Generator) -> torch.Tensor:
    """A shadow with a soft edge across a part of the image."""
    count, _, height, width = levels_nchw.shape
    # The edge runs at any angle, at most 0.6 of half the image from its middle; it is soft over 0.1 to 0.5 of that.
    angle_n = _uniform(count, 0.0, 2.0 * math.pi, generator)
    place_n, edge_n = _uniform(count, -0.6, 0.6, generator), _uniform(count, 0.1, 0.5, generator)
    x_w = torch.linspace(-1.0, 1.0, width, device=levels_nchw.device)
    y_h1 = torch.linspace(-1.0, 1.0, height, device=levels_nchw.device)[:, None]
    away_n1hw = x_w * torch.cos(angle_n) + y_h1 * torch.sin(angle_n) - place_n
    shade_n1hw = torch.sigmoid(4.0 * away_n1hw / edge_n)
    return levels_nchw * (1.0 - _uniform(count, 0.0, params.shadow, generator) * shade_n1hw)


def _blur(levels_nchw: torch.Tensor, params: CameraParams, generator: torch.Generator) -> torch.Tensor:
    """Gaussian blur of different widths along both axes, as of a lens and of motion."""
    count, _, height, width = levels_nchw.shape
    most_n = _uniform(count, 0.0, params.blur_px, generator)
    rows_n, columns_n = (most_n * _uniform(count, 0.3, 1.0, generator) for _ in range(2))
    return _gaussian(height, rows_n) @ levels_nchw @ _gaussian(width, columns_n).mT


def _gaussian(size: int, deviation_n: torch.Tensor) -> torch.Tensor:
    """Matrices N,1,S,S that blur a line of pixels; the identity for a deviation of 0."""
    at_s = torch.arange(size, device=deviation_n.device, dtype=torch.float32)
    apart_ss = at_s[:, None] - at_s
    # At most exp(-40): numbers below 1e-38 would make each product ten times as slow.
    return torch.softmax((-(apart_ss**2) / (2.0 * deviation_n.clamp_min(0.05) ** 2)).clamp_min(-40.0), dim=3)


def _resolution(levels_nchw: torch.Tensor, params: CameraParams, generator: torch.Generator) -> torch.Tensor:
    """Fewer pixels, enlarged again."""
    count, _, height, width = levels_nchw.shape
    cell_n = 1.0 / _uniform(count, params.min_resolution, 1.0, generator)
    return cells(height, cell_n) @ levels_nchw @ cells(width, cell_n).mT


def cells(size: int, cell_n: torch.Tensor) -> torch.Tensor:
    """Matrices N,1,S,S that average a line of pixels over cells and interpolate between these.

    Args:
        size: Number of pixels, S.
        cell_n: Pixels in a cell of each image, N,1,1,1; for 1 the matrix is the identity.
    """
    at_s = torch.arange(size, device=cell_n.device, dtype=torch.float32)
    # Each pixel lies between the middles of two cells; before the first and beyond the last both are the same cell.
    place_ns1 = (at_s[:, None] + 0.5) / cell_n - 0.5
    before_ns1, last_n = torch.floor(place_ns1 + 1e-4), torch.ceil(size / cell_n - 1e-3) - 1.0

    def mean_over(number_ns1: torch.Tensor) -> torch.Tensor:
        # Overlap of each pixel with the cell, as a share of the part of the cell within the line.
        start_ns1 = torch.minimum(number_ns1.clamp_min(0.0), last_n) * cell_n
        overlap_nss = (torch.minimum(at_s + 1.0, start_ns1 + cell_n) - torch.maximum(at_s, start_ns1)).clamp_min(0.0)
        return overlap_nss / overlap_nss.sum(3, keepdim=True)

    return torch.lerp(mean_over(before_ns1), mean_over(before_ns1 + 1.0), (place_ns1 - before_ns1).clamp_min(0.0))


def _jpeg(levels_nchw: torch.Tensor, params: CameraParams, generator: torch.Generator) -> torch.Tensor:
    return jpeg_losses(levels_nchw, _uniform(len(levels_nchw), params.jpeg_quality, 100.0, generator))


def jpeg_losses(levels_nchw: torch.Tensor, quality_n: torch.Tensor) -> torch.Tensor:
    """Losses of JPEG: the cosine transform of blocks of 8x8 pixels, rounded to multiples of its table.

    Args:
        levels_nchw: Images, 0 to 255; each channel is compressed as brightness is.
        quality_n: Quality of each image, 1 to 100; N,1,1,1.
    """
    height, width = levels_nchw.shape[2:]
    # Scale of the table by quality, as in the reference implementation of the Independent JPEG Group.
    scale_n = torch.where(quality_n < 50.0, 50.0 / quality_n, 2.0 - quality_n / 50.0)[..., None, None]  # noqa: PLR2004  # its own limit
    quanta_n88 = scale_n * torch.tensor(QUANTA, device=levels_nchw.device).view(BLOCK, BLOCK) + 1e-3
    # Divide the image, continued to whole blocks, into blocks; transform and round each, and put them together again.
    below, after = -height % BLOCK, -width % BLOCK
    whole_nchw = functional.pad(levels_nchw - WHITE / 2.0, (0, after, 0, below), mode="replicate")
    blocks = whole_nchw.unfold(2, BLOCK, BLOCK).unfold(3, BLOCK, BLOCK)
    cosines_88 = torch.from_numpy(_cosines()).to(levels_nchw.device)
    rounded = torch.round(cosines_88 @ blocks @ cosines_88.mT / quanta_n88) * quanta_n88
    restored = (cosines_88.mT @ rounded @ cosines_88).transpose(3, 4).reshape(whole_nchw.shape)
    return restored[:, :, :height, :width] + WHITE / 2.0


@functools.cache
def _cosines() -> np.ndarray:
    """The orthonormal cosine transform of 8 values, as a matrix (Ahmed et al. 1974)."""
    number_81, at_8 = np.arange(BLOCK)[:, None], np.arange(BLOCK)
    waves_88 = np.cos((2 * at_8 + 1) * number_81 * np.pi / (2 * BLOCK)) * np.sqrt(2 / BLOCK)
    waves_88[0] = np.sqrt(1 / BLOCK)
    return np.asarray(waves_88, np.float32)
