"""Augmentation of whole batches, as tensor operations on the batch's device.

All random numbers come from the given generator, so that a resumed run equals an uninterrupted one.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

if TYPE_CHECKING:
    from models.expression.params import TrainParams


def augment_batch(pictures_nchw: torch.Tensor, params: TrainParams, generator: torch.Generator) -> torch.Tensor:
    """Flips, rotates, scales, shifts, relights, occludes and adds noise, differently for each image.

    Args:
        pictures_nchw: Normalised images, float N,C,H,W.
        params: Limits of each operation.
        generator: Source of all random numbers, on the images' device.

    Returns:
        Images of the same shape.
    """
    moved_nchw = _move(pictures_nchw, params, generator)
    lit_nchw = _light(moved_nchw, params.contrast, generator)
    covered_nchw = _occlude(lit_nchw, params.occlusion, generator)
    # Add Gaussian noise of a random strength to each image.
    noise_nchw = torch.randn(covered_nchw.shape, generator=generator, device=covered_nchw.device)
    amount_n = _uniform(len(covered_nchw), 0.0, 4.0 * params.noise, generator)
    return covered_nchw + noise_nchw * amount_n[:, None, None, None]


def mixup(
    pictures_nchw: torch.Tensor, targets_nl: torch.Tensor, alpha: float, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Blends each image and its target with another of the batch (Zhang et al. 2018)."""
    if alpha <= 0:
        return pictures_nchw, targets_nl
    # Sample one share for the whole batch, and the partner of each image.
    share = _beta(alpha, generator)
    order_n = torch.randperm(len(pictures_nchw), generator=generator, device=pictures_nchw.device)
    return torch.lerp(pictures_nchw[order_n], pictures_nchw, share), torch.lerp(targets_nl[order_n], targets_nl, share)


def _uniform(count: int, low: float, high: float, generator: torch.Generator) -> torch.Tensor:
    return torch.rand(count, generator=generator, device=generator.device) * (high - low) + low


def _beta(alpha: float, generator: torch.Generator) -> float:
    # torch.distributions takes no generator; Johnk's method (1964) needs only uniforms and is exact for alpha <= 1.
    while True:
        first, second = map(
            float, (torch.rand(2, generator=generator, device=generator.device) ** (1.0 / alpha)).tolist()
        )
        if 0.0 < first + second <= 1.0:
            share = first / (first + second)
            return max(share, 1.0 - share)


def _move(pictures_nchw: torch.Tensor, params: TrainParams, generator: torch.Generator) -> torch.Tensor:
    count = len(pictures_nchw)
    # Sample the parameters of each image.
    angle_n = _uniform(count, -params.rotation_deg, params.rotation_deg, generator) * (math.pi / 180.0)
    scale_n = _uniform(count, 1.0 - params.scale, 1.0 + params.scale, generator)
    flip_n = (_uniform(count, 0.0, 1.0, generator) < 0.5).float() * 2.0 - 1.0  # noqa: PLR2004  # half of them
    shift_n2 = _uniform(2 * count, -params.shift, params.shift, generator).view(count, 2)
    cos_n, sin_n = torch.cos(angle_n) * scale_n, torch.sin(angle_n) * scale_n
    # Combine flip, rotation, scale and shift in one 2x3 matrix per image, so that each is resampled once.
    first_n3 = torch.stack([cos_n * flip_n, -sin_n, shift_n2[:, 0]], 1)
    second_n3 = torch.stack([sin_n * flip_n, cos_n, shift_n2[:, 1]], 1)
    grid_nhw2 = functional.affine_grid(
        torch.stack([first_n3, second_n3], 1), list(pictures_nchw.shape), align_corners=False
    )
    return functional.grid_sample(pictures_nchw, grid_nhw2, padding_mode="border", align_corners=False)


def _light(pictures_nchw: torch.Tensor, contrast: float, generator: torch.Generator) -> torch.Tensor:
    # The gain changes the contrast, the offset the brightness; images have mean 0 and deviation 1.
    gain_n = _uniform(len(pictures_nchw), 1.0 - contrast, 1.0 + contrast, generator)
    offset_n = _uniform(len(pictures_nchw), -contrast, contrast, generator)
    return pictures_nchw * gain_n[:, None, None, None] + offset_n[:, None, None, None]


def _occlude(pictures_nchw: torch.Tensor, occlusion: float, generator: torch.Generator) -> torch.Tensor:
    """Occludes half of the images with a grey square: a hand, a microphone, hair (DeVries and Taylor 2017)."""
    count, _, height, width = pictures_nchw.shape
    # Sample the side and centre of the square, and the images to occlude.
    side_n = _uniform(count, 0.1, max(occlusion, 0.1), generator) * height
    hit_n = _uniform(count, 0.0, 1.0, generator) < (0.5 if occlusion > 0 else 0.0)
    x_n, y_n = _uniform(count, 0.0, width, generator), _uniform(count, 0.0, height, generator)
    # A pixel is covered if it is within half a side of the centre in both directions; 0 is the mean grey.
    across_w = torch.arange(width, device=pictures_nchw.device)
    down_h = torch.arange(height, device=pictures_nchw.device)
    in_x_nw = (across_w[None, :] - x_n[:, None]).abs() < side_n[:, None] / 2
    in_y_nh = (down_h[None, :] - y_n[:, None]).abs() < side_n[:, None] / 2
    covered_nhw = in_x_nw[:, None, :] & in_y_nh[:, :, None] & hit_n[:, None, None]
    return pictures_nchw.masked_fill(covered_nhw[:, None], 0.0)
