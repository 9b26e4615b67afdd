"""The typed section `scene` of params.yaml."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from curation.params import Section, Seed
from models.family import FamilyParams, FitParams, StaticCompress


class AugmentParams(Section):
    """Closer crops of the training pictures, made once; what is random in training belongs to `train`."""

    seed: Seed = 0
    """Of where the crops lie."""
    crops: int = Field(1, ge=0, le=8)
    """Closer crops of each training picture, beside the picture itself."""
    min_share: float = Field(0.8, gt=0.3, le=1.0)
    """A crop is at least so wide, as a share of the picture."""


class TrainParams(FitParams):
    """The two networks and the recipe by which they are trained against each other."""

    seed: Seed = 0
    """Of the first weights, the order of samples, the latents and the augmentation."""
    network: Literal["r3", "dcgan"] = "r3"
    """`r3` is the relativistic recipe of R3GAN; `dcgan` the classic one, kept as the baseline."""
    epochs: int = Field(8, ge=1)
    """How often progress is looked at, a checkpoint written and the learning rate on its way down."""
    epoch_samples: int = Field(4096, ge=0)
    """Pictures that are shown in an epoch, however many there are; 0: each once."""
    batch_size: int = Field(16, ge=2)
    """Samples of a step, of all processes together."""
    norm_samples: int = Field(16, ge=2)
    """Random numbers, and batch statistics where a network has any, are taken over so many samples."""

    widths: tuple[int, ...] = (192, 96, 64, 32)
    """Channels of the generator at 4 x 4, 8 x 8 and so on; pictures are twice as large as the last. For 128 px, one
    number more."""
    depths: tuple[int, ...] = (0, 0, 0, 0)
    """Residual blocks of the generator at each of these, beside the convolution that each has."""
    noise_px: int = Field(32, ge=0)
    """The finest resolution of the generator whose places have a random number of their own each. Half of the picture's
    size suits photographs, whose grain it draws; a quarter what is rendered smoothly; with 0 detail stands at the same
    places in every picture."""
    critic_widths: tuple[int, ...] = (32, 64, 128, 256)
    """Channels of the discriminator, from half of the picture's size down to 4 x 4."""
    critic_depths: tuple[int, ...] = (0, 0, 0, 0)
    """Residual blocks of the discriminator at each of these."""

    learning_rate: float = Field(5e-4, gt=0.0)
    """At the start, of both networks."""
    final_learning_rate_share: float = Field(0.2, gt=0.0, le=1.0)
    """The share of it that is left at the end of a cosine."""
    beta2: float = Field(0.99, ge=0.0, lt=1.0)
    """Of Adam; its first moment is off, as in the paper."""
    gamma: float = Field(0.1, ge=0.0)
    """Weight of the zero-centred gradient penalties at the start; it falls to a tenth along the same cosine."""
    penalty_noise: float = Field(0.05, gt=0.0)
    """Deviation of the noise that approximates a gradient, white to black being 2."""
    penalty_share: float = Field(0.25, gt=0.0, le=1.0)
    """Share of each batch that the penalties are taken on."""
    ema_decay: float = Field(0.998, ge=0.0, lt=1.0)
    """Of the moving average of the weights, which is what is kept; 0: none is made."""

    flip: bool = True
    """Whether half of the pictures are mirrored."""
    colour: float = Field(0.2, ge=0.0, le=1.0)
    """How far brightness and contrast change, of what is shown to the discriminator, real or drawn alike."""
    shift: float = Field(0.1, ge=0.0, le=0.5)
    """How far such a picture is moved, as a share of its side."""
    category_dropped: float = Field(0.5, ge=0.0, le=1.0)
    """Share of the samples whose category the generator is not told, so that it learns to go by the text."""
    text_noise: float = Field(0.3, ge=0.0)
    """Length of the noise on a text's embedding, whose own length is 1: headings that nobody wrote yet lie near."""


class CompressParams(StaticCompress):
    """How the trained generator is made small."""

    calibration_samples: int = Field(256, ge=16)
    """Drawings that the ranges of activations are measured on."""
    students: tuple[tuple[int, ...], ...] = ()
    """Widths of smaller generators that learn from the trained one, as in `train.widths` and none wider; each is a
    candidate of the compression search."""
    student_epochs: int = Field(0, ge=0)
    """Epochs of a student; 0: as many as the trained generator had."""
    student_rate: float = Field(4e-3, gt=0.0)
    """The learning rate of a student at its start; without a discriminator against it, it may take longer strides."""
    feature_weight: float = Field(0.05, ge=0.0)
    """Of what a student learns from the features of the trained generator, beside its pictures; 0: from these alone. On
    the starter film none and 0.05 ended alike, and with 0.2 pictures were 0.3 dB further from the teacher's."""


class SceneParams(FamilyParams):
    """All of it."""

    augment: AugmentParams = AugmentParams()
    train: TrainParams = TrainParams()
    compress: CompressParams = CompressParams()
