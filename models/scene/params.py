"""Typed section `scene` of params.yaml."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from curation.params import Section, Seed
from models.family import FamilyParams, FitParams, StaticCompress


class AugmentParams(Section):
    """Closer crops of the training images, made once; randomness during training belongs to `train`."""

    seed: Seed = 0
    """Seed of the positions of the crops."""
    crops: int = Field(1, ge=0, le=8)
    """Closer crops of each training image, beside the image itself."""
    min_share: float = Field(0.8, gt=0.3, le=1.0)
    """Minimum width of a crop, as a share of the image."""


class TrainParams(FitParams):
    """The two networks and their adversarial training."""

    seed: Seed = 0
    """Seed of the initial weights, the order of samples, the latents and the augmentation."""
    network: Literal["r3", "dcgan"] = "r3"
    """`r3` is R3GAN's relativistic training; `dcgan` the classic one, kept as the baseline."""
    epochs: int = Field(8, ge=1)
    """Number of epochs, the interval of progress images, checkpoints and the decay of the learning rate."""
    epoch_samples: int = Field(4096, ge=0)
    """Images in an epoch, independent of the size of the set; 0: each once."""
    batch_size: int = Field(16, ge=2)
    """Samples of a step, of all processes together."""
    norm_samples: int = Field(16, ge=2)
    """Samples that share random numbers, and batch statistics if a network has any."""

    widths: tuple[int, ...] = (192, 96, 64, 32)
    """Channels of the generator at 4 x 4, 8 x 8 and so on; images are twice as large as the last. For 128 px, one
    number more."""
    depths: tuple[int, ...] = (0, 0, 0, 0)
    """Residual blocks of the generator at each of these, beside the convolution that each has."""
    noise_px: int = Field(32, ge=0)
    """The finest resolution of the generator whose places have a latent of their own. Half of the image's size suits
    photographs, whose grain it draws; a quarter suits smooth renderings; with 0 detail is at the same places in every
    image."""
    critic_widths: tuple[int, ...] = (32, 64, 128, 256)
    """Channels of the discriminator, from half of the image's size down to 4 x 4."""
    critic_depths: tuple[int, ...] = (0, 0, 0, 0)
    """Residual blocks of the discriminator at each of these."""

    learning_rate: float = Field(5e-4, gt=0.0)
    """Initial learning rate of both networks."""
    final_learning_rate_share: float = Field(0.2, gt=0.0, le=1.0)
    """Share of it that is left at the end of a cosine."""
    beta2: float = Field(0.99, ge=0.0, lt=1.0)
    """Of Adam; its first moment is off, as in the paper."""
    gamma: float = Field(0.1, ge=0.0)
    """Weight of the zero-centred gradient penalties at the start; it falls to a tenth along the same cosine."""
    penalty_noise: float = Field(0.05, gt=0.0)
    """Deviation of the noise that approximates a gradient, white to black being 2."""
    penalty_share: float = Field(0.25, gt=0.0, le=1.0)
    """Share of each batch that the penalties are taken on."""
    ema_decay: float = Field(0.998, ge=0.0, lt=1.0)
    """Decay of the moving average of the weights, which is what is kept; 0: no average."""

    flip: bool = True
    """Mirror half of the images."""
    colour: float = Field(0.2, ge=0.0, le=1.0)
    """Change of brightness and contrast of images for the discriminator, real and drawn alike."""
    shift: float = Field(0.1, ge=0.0, le=0.5)
    """Shift of such an image, at most, as a share of its side."""
    category_dropped: float = Field(0.5, ge=0.0, le=1.0)
    """Share of the samples whose category is withheld from the generator, so that it learns to follow the text."""
    text_noise: float = Field(0.3, ge=0.0)
    """Length of the noise on a text's embedding, whose own length is 1: covers headings near those of the set."""


class CompressParams(StaticCompress):
    """Compression of the trained generator."""

    calibration_samples: int = Field(256, ge=16)
    """Drawings that the ranges of activations are measured on."""
    students: tuple[tuple[int, ...], ...] = ()
    """Widths of smaller generators that learn from the trained one, as in `train.widths` and none wider; each is a
    candidate."""
    student_epochs: int = Field(0, ge=0)
    """Epochs of a student; 0: as many as the trained generator had."""
    student_rate: float = Field(4e-3, gt=0.0)
    """Initial learning rate of a student; without a discriminator it may be higher."""
    feature_weight: float = Field(0.05, ge=0.0)
    """Weight of the trained generator's features relative to its images in a student's loss; 0: images only. On the
    starter film 0 and 0.05 gave equal results, and with 0.2 images were 0.3 dB further from the teacher's."""


class SceneParams(FamilyParams):
    """Params of the scene family."""

    augment: AugmentParams = AugmentParams()
    train: TrainParams = TrainParams()
    compress: CompressParams = CompressParams()
