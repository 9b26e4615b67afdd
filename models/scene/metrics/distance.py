"""Distance of drawn from real images without a trained network: the validation metric of training."""

from __future__ import annotations

import torch
from torch.nn import functional

LEVELS = 3
PATCH_PX = 7
PATCHES = 16  # of each picture at each level
DIRECTIONS = 128


def sliced_wasserstein(real_nchw: torch.Tensor, drawn_nchw: torch.Tensor, random: torch.Generator) -> torch.Tensor:
    """Sliced Wasserstein distance of patches, averaged over the levels of a Laplacian pyramid (Karras et al. 2018).

    Args:
        real_nchw: N,3,H,W.
        drawn_nchw: N,3,H,W.
        random: Source of the patch positions and the directions.

    Returns:
        A scalar; 0 for equal images.
    """
    pairs = zip(pyramid(real_nchw), pyramid(drawn_nchw), strict=True)
    return torch.stack(
        [_sliced(_patches(real, random), _patches(drawn, random), random) for real, drawn in pairs]
    ).mean()


def pyramid(pictures_nchw: torch.Tensor) -> list[torch.Tensor]:
    """Laplacian pyramid, N,C,H,W and smaller: the detail lost at each halving, then the remaining image."""
    levels = []
    for _ in range(LEVELS - 1):
        smaller = functional.avg_pool2d(pictures_nchw, 2)
        levels.append(pictures_nchw - functional.interpolate(smaller, scale_factor=2.0, mode="bilinear"))
        pictures_nchw = smaller
    return [*levels, pictures_nchw]


def _patches(level_nchw: torch.Tensor, random: torch.Generator) -> torch.Tensor:
    """Patches at the same positions of every image, M,D."""
    count, channels, height, width = level_nchw.shape
    side = min(PATCH_PX, height, width)
    tops = torch.randint(height - side + 1, (PATCHES,), generator=random, device=random.device).tolist()
    lefts = torch.randint(width - side + 1, (PATCHES,), generator=random, device=random.device).tolist()
    cut = [level_nchw[:, :, top : top + side, left : left + side] for top, left in zip(tops, lefts, strict=True)]
    return torch.stack(cut).reshape(PATCHES * count, channels * side * side)


def _sliced(first_md: torch.Tensor, second_md: torch.Tensor, random: torch.Generator) -> torch.Tensor:
    # Project both sets on random unit vectors; in one dimension the distance is the mean gap of sorted values.
    directions = torch.randn(first_md.shape[1], DIRECTIONS, generator=random, device=random.device)
    directions = functional.normalize(directions, dim=0)
    first, second = ((patches @ directions).sort(0).values for patches in (first_md, second_md))
    return (first - second).abs().mean()
