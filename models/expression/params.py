"""Typed section `expression` of params.yaml."""

from __future__ import annotations

from pydantic import Field

from curation.params import Section, Seed
from models.family import EarlyStopParams, FamilyParams, Prune, QuantisationAware, StaticCompress


class AugmentParams(Section):
    """Balanced copies of the training split, made once."""

    seed: Seed = 0
    """Of which pictures are copied, and how each copy is altered."""
    balance: float = Field(0.35, ge=0.0, le=1.0)
    """Every label is brought up to this share of the largest one."""
    min_growth: float = Field(0.05, ge=0.0, le=1.0)
    """Each label grows at least by this share of its own, since a copy is another view of a face."""
    max_copies: int = Field(4, ge=0, le=20)
    """The most copies of one picture."""
    max_unlabelled_ratio: float = Field(1.0, ge=0.0, le=100.0)
    """Images without a label, which students also learn from: at most this many times the labelled ones."""
    rotation_deg: float = Field(12.0, ge=0.0, le=45.0)
    """Rotation of a copy in degrees, at most."""
    scale: float = Field(0.12, ge=0.0, le=0.5)
    """Change of its size, at most, as a share."""
    crop: float = Field(0.08, ge=0.0, le=0.3)
    """Share cut off at an edge, at most."""
    brightness: float = Field(0.2, ge=0.0, le=0.8)
    """Change of its brightness, at most, as a share."""
    noise: float = Field(0.02, ge=0.0, le=0.2)
    """Standard deviation of the noise, at most; white is 1."""
    blur_px: float = Field(0.7, ge=0.0, le=3.0)
    """Radius of the blur, at most."""
    jpeg_quality: int = Field(45, ge=5, le=100)
    """Lowest JPEG quality it is saved with."""
    occlusion: float = Field(0.3, ge=0.0, le=0.6)
    """Width of an occluding square, at most, as a share of the side."""


class CameraParams(Section):
    """Pictures of other cameras and in other light, made from those of a batch during training."""

    share: float = Field(0.0, ge=0.0, le=1.0)
    """Share of the pictures of a batch that each effect changes, up to its limit; 0: none. 0.3 cost 1 point of FER2013
    in a short training, and gained none on average under other corruptions: docs/benchmarks.md has the figures."""
    min_resolution: float = Field(0.3, ge=0.1, le=1.0)
    """Lowest resolution, as a share of the picture's own; 1: unchanged."""
    blur_px: float = Field(1.5, ge=0.0, le=5.0)
    """Deviation of the blur in pixels, at most; it differs between both directions."""
    jpeg_quality: int = Field(20, ge=1, le=100)
    """Lowest JPEG quality; 100: no losses."""
    gamma: float = Field(0.8, ge=0.0, le=3.0)
    """The exponent of the levels is at most 1 plus this, and at least its inverse."""
    shadow: float = Field(0.7, ge=0.0, le=1.0)
    """Share of the light that a shadow across the picture takes away, at most."""
    cast: float = Field(0.2, ge=0.0, le=0.9)
    """Change of each channel's strength, at most, as a share; no effect on grey pictures."""
    fade: float = Field(1.0, ge=0.0, le=1.0)
    """Share by which colours fade to grey, at most."""


class TrainParams(EarlyStopParams):
    """The network, its training, and the augmentation of batches during training."""

    seed: Seed = 0
    """Of the first weights, the order of samples, augmentation and dropout."""
    epochs: int = Field(32, ge=1)
    """Maximum number of passes over the training split."""
    epoch_samples: int = Field(0, ge=0)
    """Images in an epoch, independent of the size of the set; 0: each once."""
    patience: int = Field(8, ge=1)
    """Epochs without a better validation macro F1 after which training stops."""
    batch_size: int = Field(64, ge=2)
    """Samples of a step, of all processes together."""
    norm_samples: int = Field(32, ge=2)
    """Samples that batch statistics are computed over, independent of the number of processes."""

    widths: tuple[int, ...] = (32, 64, 128, 256)
    """Channels at each resolution; each resolution is half the previous one."""
    depths: tuple[int, ...] = (1, 2, 2, 1)
    """Blocks at each resolution."""
    dropout: float = Field(0.1, ge=0.0, lt=1.0)
    """Share of the features that is dropped before the last layer."""

    learning_rate: float = Field(0.1, gt=0.0)
    """Peak learning rate."""
    weight_decay: float = Field(5e-4, ge=0.0)
    """Weight decay of matrices; norms and biases have none."""
    warmup_epochs: float = Field(1.0, ge=0.0)
    """Duration of the warm-up of the learning rate; then it decays along a cosine."""
    label_smoothing: float = Field(0.1, ge=0.0, lt=1.0)
    """Share of the target that is spread over all labels."""
    label_balance: float = Field(0.0, ge=0.0, le=1.0)
    """0: labels are predicted as often as they occur in the set; 1: as if all were equally common. On FER2013 0.5
    raises the mean recall by a point and leaves the accuracy: docs/benchmarks.md has the figures."""
    mixup: float = Field(0.0, ge=0.0, le=1.0)
    """Alpha of the Beta distribution for blending two images; 0: no blending."""
    ema_decay: float = Field(0.995, ge=0.0, lt=1.0)
    """Decay of the moving average of the weights, which is what is kept; 0: no average."""

    rotation_deg: float = Field(10.0, ge=0.0, le=45.0)
    """Rotation of an image in degrees, at most."""
    scale: float = Field(0.12, ge=0.0, le=0.5)
    """Change of its size, at most, as a share."""
    shift: float = Field(0.08, ge=0.0, le=0.5)
    """Shift, at most, as a share of half its side."""
    contrast: float = Field(0.2, ge=0.0, le=0.9)
    """Change of its contrast and brightness, at most, as a share of a deviation."""
    noise: float = Field(0.01, ge=0.0, le=0.2)
    """A quarter of the deviation of the strongest noise, in deviations of the pictures."""
    occlusion: float = Field(0.2, ge=0.0, le=0.9)
    """Width of the square that occludes every second image, at most, as a share of the side."""
    camera: CameraParams = CameraParams()
    """Effects of other cameras and other light."""


class CompressParams(StaticCompress):
    """Compression of the trained network."""

    prune: Prune = Prune()
    """Structured pruning."""
    quantisation_aware: QuantisationAware = QuantisationAware()
    """Quantisation-aware fine-tuning."""
    students: tuple[tuple[int, ...], ...] = ()
    """Widths of smaller networks that learn from the trained one, as in `train.widths`; each is a candidate."""
    starter_students: tuple[tuple[int, ...], ...] | None = None
    """`students` while the set holds starter data alone; null: the same ones."""
    student_epochs: int = Field(0, ge=0)
    """Passes over the training split for a student; 0: as many as for the trained network."""
    temperature: float = Field(2.0, gt=0.0)
    """Divides the logits that a student learns from."""
    teacher_weight: float = Field(0.7, ge=0.0, le=1.0)
    """Weight of the trained network's output in a student's loss; the rest is the labels."""


class ExpressionParams(FamilyParams):
    """Params of the expression family."""

    augment: AugmentParams = AugmentParams()
    train: TrainParams = TrainParams()
    compress: CompressParams = CompressParams()
