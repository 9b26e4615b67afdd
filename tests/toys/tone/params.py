"""The typed section `tone` of params.yaml."""

from __future__ import annotations

from pydantic import Field

from curation.params import Section
from models.family import EarlyStopParams, FamilyParams, StaticCompress


class AugmentParams(Section):
    """Nothing is drawn."""


class TrainParams(EarlyStopParams):
    """One linear layer."""

    epochs: int = Field(20, ge=1)
    """Passes over the training split, at most."""
    learning_rate: float = Field(0.1, gt=0.0)
    """Of Adam."""
    batch_size: int = Field(16, ge=2)
    """Samples of a step."""
    norm_samples: int = Field(16, ge=2)
    """Samples of a chunk."""
    epoch_samples: int = Field(0, ge=0)
    """Pictures that are shown in an epoch; 0: each once."""


class ToneParams(FamilyParams):
    """All of it."""

    augment: AugmentParams = AugmentParams()
    train: TrainParams = TrainParams()
    compress: StaticCompress = StaticCompress()
