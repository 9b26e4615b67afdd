"""The typed section `expression` of params.yaml."""

from __future__ import annotations

from pydantic import Field

from curation.params import Section, Seed
from models.family import EarlyStopParams, FamilyParams, Prune, QuantisationAware, StaticCompress


class AugmentParams(Section):
    """Balanced copies, made once, of the training split alone."""

    seed: Seed = 0
    """Of which pictures are copied, and how each copy is altered."""
    balance: float = Field(0.35, ge=0.0, le=1.0)
    """Every label is brought up to this share of the largest one."""
    min_growth: float = Field(0.05, ge=0.0, le=1.0)
    """Each label grows at least by this share of its own, for a copy is another sight of a face."""
    max_copies: int = Field(4, ge=0, le=20)
    """The most copies of one picture."""
    max_unlabelled_ratio: float = Field(1.0, ge=0.0, le=100.0)
    """Pictures without a label, which students learn from as well, are at most so many times those with one."""
    rotation_deg: float = Field(12.0, ge=0.0, le=45.0)
    """A copy is turned by up to so many degrees."""
    scale: float = Field(0.12, ge=0.0, le=0.5)
    """It is larger or smaller by up to this share."""
    crop: float = Field(0.08, ge=0.0, le=0.3)
    """Up to this share is cut off at an edge."""
    brightness: float = Field(0.2, ge=0.0, le=0.8)
    """It is lighter or darker by up to this share."""
    noise: float = Field(0.02, ge=0.0, le=0.2)
    """Noise of up to this deviation, white being 1."""
    blur_px: float = Field(0.7, ge=0.0, le=3.0)
    """Blur of up to this radius."""
    jpeg_quality: int = Field(45, ge=5, le=100)
    """It is saved as a JPEG of this quality at worst."""
    occlusion: float = Field(0.3, ge=0.0, le=0.6)
    """Something as wide as up to this share covers a part."""


class TrainParams(EarlyStopParams):
    """The network, the recipe, and the augmentation of whole batches while training."""

    seed: Seed = 0
    """Of the first weights, the order of samples, augmentation and dropout."""
    epochs: int = Field(32, ge=1)
    """Passes over the training split, at most."""
    epoch_samples: int = Field(0, ge=0)
    """Pictures that are shown in an epoch, however many there are; 0: each once."""
    patience: int = Field(8, ge=1)
    """Epochs without a better validation macro F1 after which training stops."""
    batch_size: int = Field(64, ge=2)
    """Samples of a step, of all processes together."""
    norm_samples: int = Field(32, ge=2)
    """Batch statistics are taken over so many samples, however many processes share a batch."""

    widths: tuple[int, ...] = (32, 64, 128, 256)
    """Channels at each resolution; each is half as wide and high as the one before."""
    depths: tuple[int, ...] = (1, 2, 2, 1)
    """Blocks at each resolution."""
    dropout: float = Field(0.1, ge=0.0, lt=1.0)
    """Share of the features that is dropped before the last layer."""

    learning_rate: float = Field(0.1, gt=0.0)
    """At its peak."""
    weight_decay: float = Field(5e-4, ge=0.0)
    """Of weights that are matrices; norms and biases have none."""
    warmup_epochs: float = Field(1.0, ge=0.0)
    """Until the learning rate is at its peak; then it falls along a cosine."""
    label_smoothing: float = Field(0.1, ge=0.0, lt=1.0)
    """Share of the target that is spread over all labels."""
    mixup: float = Field(0.0, ge=0.0, le=1.0)
    """Alpha of the Beta distribution that two pictures are blended by; 0: none are."""
    ema_decay: float = Field(0.995, ge=0.0, lt=1.0)
    """Of the moving average of the weights, which is what is kept; 0: none is made."""

    rotation_deg: float = Field(10.0, ge=0.0, le=45.0)
    """A picture is turned by up to so many degrees."""
    scale: float = Field(0.12, ge=0.0, le=0.5)
    """It is larger or smaller by up to this share."""
    shift: float = Field(0.08, ge=0.0, le=0.5)
    """It is moved by up to this share of half its side."""
    contrast: float = Field(0.2, ge=0.0, le=0.9)
    """Its contrast and its brightness change by up to this share of a deviation."""
    noise: float = Field(0.01, ge=0.0, le=0.2)
    """A quarter of the deviation of the strongest noise, in deviations of the pictures."""
    occlusion: float = Field(0.2, ge=0.0, le=0.9)
    """A square as wide as up to this share covers a part of every second picture."""


class CompressParams(StaticCompress):
    """How the trained network is made small."""

    prune: Prune = Prune()
    """Narrower networks."""
    quantisation_aware: QuantisationAware = QuantisationAware()
    """Networks that know of rounding."""
    students: tuple[tuple[int, ...], ...] = ()
    """Widths of smaller networks that learn from the trained one, as in `train.widths`; each is a candidate."""
    student_epochs: int = Field(0, ge=0)
    """Passes over the training split for a student; 0: as many as the trained network had."""
    temperature: float = Field(2.0, gt=0.0)
    """Divides the logits that a student learns from."""
    teacher_weight: float = Field(0.7, ge=0.0, le=1.0)
    """Of what a student learns from the trained network; the rest is from the labels."""


class ExpressionParams(FamilyParams):
    """All of it."""

    augment: AugmentParams = AugmentParams()
    train: TrainParams = TrainParams()
    compress: CompressParams = CompressParams()
