"""Losses of generator and discriminator: the relativistic pairing loss with its penalties, and the classic loss."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Callable

    from models.scene.params import TrainParams

    Critic = Callable[[torch.Tensor], torch.Tensor]


def relativistic(better_n: torch.Tensor, worse_n: torch.Tensor) -> torch.Tensor:
    """Softplus of the score difference of each pair (Jolicoeur-Martineau 2019; R3GAN)."""
    return functional.softplus(worse_n - better_n).mean()


def critic_loss(
    critic: Critic,
    real_nchw: torch.Tensor,
    drawn_nchw: torch.Tensor,
    gamma: float,
    noise_nchw: torch.Tensor,
    share: int,
) -> torch.Tensor:
    """Loss of the discriminator with zero-centred penalties on real and drawn images.

    A gradient penalty needs second derivatives, which distributed data parallel does not average over processes. This
    is its first-order approximation, R1 and R2 of Lin et al. 2025 (arXiv 2501.08316, section 3.3): the squared change
    of the discriminator's output under a little noise, divided by the noise's variance, approximates the squared
    gradient.

    Args:
        critic: Images -> realness scores; the conditions are bound to it.
        real_nchw: Real images.
        drawn_nchw: Drawn images, for the same conditions.
        gamma: Weight of the penalties, as in R3GAN; half of it times the squared norm of the gradient is added.
        noise_nchw: Noise for the first `share` images of each kind, real ones first; its deviation is small.
        share: Number of images of each kind used for the penalties.
    """
    # Score real, drawn and noisy images in one pass, so that all are scored by the same weights.
    count = len(real_nchw)
    touched = torch.cat([real_nchw[:share], drawn_nchw[:share]])
    answers = critic(torch.cat([real_nchw, drawn_nchw, touched + noise_nchw]))
    real_n, drawn_n, moved_n = torch.split(answers, [count, count, 2 * share])
    # Compute the finite difference along the noise: change^2 / variance estimates |gradient|^2.
    change_n = moved_n - torch.cat([real_n[:share], drawn_n[:share]])
    penalty = change_n.square().mean() * 2.0 / noise_nchw.var()  # mean over both kinds, times two
    return relativistic(real_n, drawn_n) + 0.5 * gamma * penalty


def classic_critic_loss(real_n: torch.Tensor, drawn_n: torch.Tensor) -> torch.Tensor:
    """Binary cross-entropy with target 1 for real and 0 for drawn images (Goodfellow et al. 2014)."""
    return functional.softplus(-real_n).mean() + functional.softplus(drawn_n).mean()


def classic_generator_loss(drawn_n: torch.Tensor) -> torch.Tensor:
    """Binary cross-entropy with target 1 for drawn images."""
    return functional.softplus(-drawn_n).mean()


def disturbed(pictures_nchw: torch.Tensor, params: TrainParams, generator: torch.Generator) -> torch.Tensor:
    """Augments real and drawn images for the discriminator: brightness, contrast, shift (Zhao et al. 2020).

    All operations are differentiable, and the generator does not learn them, because both kinds are treated equally.
    """
    count, device = len(pictures_nchw), pictures_nchw.device

    def uniform() -> torch.Tensor:
        return torch.rand(count, 1, 1, 1, generator=generator, device=device) * 2.0 - 1.0

    # Change contrast about the mean of each image, and brightness.
    if params.colour:
        mean_nchw = pictures_nchw.mean((1, 2, 3), keepdim=True)
        contrast = 1.0 + params.colour * uniform()
        pictures_nchw = (pictures_nchw - mean_nchw) * contrast + mean_nchw + params.colour * uniform()
    if params.shift:
        pictures_nchw = _moved(pictures_nchw, params.shift, generator)
    return pictures_nchw


def _moved(pictures_nchw: torch.Tensor, shift: float, generator: torch.Generator) -> torch.Tensor:
    """Shifts each image by whole pixels, so that nothing is blurred; the border is grey."""
    count, _, height, width = pictures_nchw.shape
    reach = round(shift * width)
    device = pictures_nchw.device
    offset_n2 = torch.randint(-reach, reach + 1, (count, 2), generator=generator, device=device)
    # Pad by the largest shift, then gather each image's window by index.
    padded = functional.pad(pictures_nchw, (reach,) * 4)
    down_nh = torch.arange(height, device=device) + reach + offset_n2[:, :1]
    across_nw = torch.arange(width, device=device) + reach + offset_n2[:, 1:]
    places_n = torch.arange(count, device=device)[:, None, None]
    nhwc = padded.permute(0, 2, 3, 1)[places_n, down_nh[:, :, None], across_nw[:, None, :]]
    return nhwc.permute(0, 3, 1, 2)
