"""Typed section `tracking` of params.yaml."""

from __future__ import annotations

from pydantic import Field

from curation.params import Section, Seed
from models.family import EarlyStopParams, FamilyParams


class AugmentParams(Section):
    """The set that is trained on; randomness during training belongs to `train`."""

    teacher: bool = True
    """Takes without known units learn those that MediaPipe's own network reads well; off: they are left out."""
    components: int = Field(320, ge=8, le=1434)
    """Principal components of the landmarks that the network sees."""


class TrainParams(EarlyStopParams):
    """The network and its training."""

    seed: Seed = 0
    """Seed of the initial weights, the order of the takes and the augmentation."""
    epochs: int = Field(100, ge=1)
    """Passes over the training split, at most."""
    epoch_samples: int = Field(0, ge=0)
    """Pieces of takes in an epoch, independent of the size of the set; 0: each frame about once."""
    patience: int = Field(12, ge=1)
    """Epochs without improvement after which training ends."""
    batch_size: int = Field(32, ge=1)
    """Takes of each step, of all processes together."""
    sequence_length: int = Field(64, ge=2)
    """Frames of each take in a step; another part of a longer take in each epoch."""

    features: int = Field(128, ge=8)
    """Width of the layer that reads the landmarks."""
    width: int = Field(160, ge=8)
    """Width of the recurrent state."""

    learning_rate: float = Field(4e-3, gt=0.0)
    """Peak learning rate."""
    warmup_steps: int = Field(40, ge=1)
    """Steps of the warm-up of the learning rate."""
    weight_decay: float = Field(0.05, ge=0.0)
    """Weight decay of AdamW."""
    clip: float = Field(1.0, gt=0.0)
    """Maximum norm of the gradient."""
    dropout: float = Field(0.1, ge=0.0, lt=1.0)
    """Share of the features and outputs of the recurrent layer that are dropped."""
    ema_decay: float = Field(0.99, ge=0.0, lt=1.0)
    """Decay of the moving average of the weights, which is what is kept; 0: no average."""

    mirror: float = Field(0.5, ge=0.0, le=1.0)
    """Probability that a take is mirrored: left and right change places."""
    identity_mix: float = Field(1.0, ge=0.0, le=1.0)
    """Probability that the motion of a take is put on a face between its own and that of another take."""
    noise: float = Field(0.2, ge=0.0)
    """Noise on the landmarks, as a share of the deviation of each within a take."""
    max_stretch: int = Field(4, ge=1, le=16)
    """Takes are slowed down up to so many times, by interpolation: the rate of a camera is not that of the takes."""
    angle_weight: float = Field(1.5, ge=0.0)
    """Weight of the corrections to head and gaze in the loss; that of the units is 1."""


class CompressParams(Section):
    """Compression of the trained network."""

    calibration_samples: int = Field(256, ge=16)
    """Number of frames that parity is measured on."""


class TrackingParams(FamilyParams):
    """Params of the tracking family."""

    augment: AugmentParams = AugmentParams()
    train: TrainParams = TrainParams()
    compress: CompressParams = CompressParams()
