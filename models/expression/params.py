"""The typed section `expression` of params.yaml."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from curation.params import Section
from models.family import FamilyParams


class AugmentParams(Section):
    """Balanced copies, made once, of the training split alone."""

    seed: int = 0
    # Every label is brought up to this share of the largest one ...
    balance: float = Field(0.35, ge=0.0, le=1.0)
    # ... each at least by this share of its own, for a copy is another sight of a face ...
    extra: float = Field(0.05, ge=0.0, le=1.0)
    # ... with at most so many copies of one picture.
    max_copies: int = Field(4, ge=0, le=20)
    rotation_deg: float = Field(12.0, ge=0.0, le=45.0)
    scale: float = Field(0.12, ge=0.0, le=0.5)
    crop: float = Field(0.08, ge=0.0, le=0.3)
    brightness: float = Field(0.2, ge=0.0, le=0.8)
    noise: float = Field(0.02, ge=0.0, le=0.2)
    blur_px: float = Field(0.7, ge=0.0, le=3.0)
    jpeg_quality: int = Field(45, ge=5, le=100)
    occlusion: float = Field(0.3, ge=0.0, le=0.6)


class TrainParams(Section):
    """The network, the recipe, and the augmentation of whole batches while training."""

    seed: int = 0
    epochs: int = Field(24, ge=1)
    patience: int = Field(8, ge=1)
    batch_size: int = Field(128, ge=2)
    # Batch statistics are taken over so many samples, however many processes share a batch.
    norm_samples: int = Field(64, ge=2)
    precision: Literal["auto", "32-true", "bf16-mixed"] = "auto"

    widths: tuple[int, ...] = (32, 64, 128, 256)
    depths: tuple[int, ...] = (1, 2, 2, 1)
    dropout: float = Field(0.2, ge=0.0, lt=1.0)

    learning_rate: float = Field(0.05, gt=0.0)
    weight_decay: float = Field(5e-4, ge=0.0)
    warmup_epochs: float = Field(1.0, ge=0.0)
    label_smoothing: float = Field(0.1, ge=0.0, lt=1.0)
    mixup: float = Field(0.2, ge=0.0, le=1.0)
    ema_decay: float = Field(0.995, ge=0.0, lt=1.0)

    rotation_deg: float = Field(12.0, ge=0.0, le=45.0)
    scale: float = Field(0.15, ge=0.0, le=0.5)
    shift: float = Field(0.08, ge=0.0, le=0.5)
    contrast: float = Field(0.25, ge=0.0, le=0.9)
    noise: float = Field(0.02, ge=0.0, le=0.2)
    occlusion: float = Field(0.4, ge=0.0, le=0.9)


class CompressParams(Section):
    """How the trained network is made small."""

    seed: int = 0
    calibration_samples: int = Field(512, ge=16)


class ExpressionParams(FamilyParams):
    """All of it."""

    augment: AugmentParams = AugmentParams()
    train: TrainParams = TrainParams()
    compress: CompressParams = CompressParams()
