"""The typed section `script` of params.yaml."""

from __future__ import annotations

from pydantic import Field

from curation.params import Section, Seed
from models.family import EarlyStopParams, FamilyParams


class AugmentParams(Section):
    """Scenes as the network reads them, with control text in front; what is random in training belongs to `train`."""

    seed: Seed = 0
    """Of what is left out of the control text, and of the order of the outlines."""
    max_vocabulary: int = Field(120, ge=32, le=250)
    """Characters that the network knows, at most, the most frequent first; what is rarer is written without accents,
    or left out."""
    theme_words: int = Field(3, ge=1, le=8)
    """Words of a theme, at most: those that a scene has more of than others have."""
    control_dropout: float = Field(0.3, ge=0.0, lt=1.0)
    """How often each part of the control text is left out, so that the network can do without."""
    completed_heading_share: float = Field(0.5, ge=0.0, le=1.0)
    """Share of the headings that get INT. or EXT. and a time of day in front and behind, where the text gives neither:
    plays do not."""
    outlines: bool = True
    """Whether outlines and characters are learned too, from headings, first directions and who speaks."""


class TrainParams(EarlyStopParams):
    """The network and how it is trained."""

    seed: Seed = 0
    """Of the first weights, the order of the works and dropout."""
    epochs: int = Field(7, ge=1)
    """How often it is validated and a checkpoint is written."""
    epoch_characters: int = Field(1_500_000, ge=0)
    """Characters that are read in an epoch; 0: all of them."""
    patience: int = Field(3, ge=1)
    """Epochs without a better figure, after which training ends."""
    batch_size: int = Field(128, ge=1)
    """Places in the text that are read at the same time, of all processes together."""
    sequence_length: int = Field(32, ge=2)
    """Characters of each that are read before weights change; the state is carried on, gradients end there
    (truncated back-propagation, Williams and Peng 1990)."""

    width: int = Field(512, ge=8)
    """Numbers of the recurrent state."""
    layers: int = Field(1, ge=1, le=4)
    """Recurrent layers."""
    embedding: int = Field(128, ge=4)
    """Numbers of a character, going in and coming out: the same weights (tied)."""

    learning_rate: float = Field(8e-3, gt=0.0)
    """At its peak."""
    warmup_steps: int = Field(50, ge=1)
    """Steps in which it rises."""
    final_learning_rate_share: float = Field(0.1, gt=0.0, le=1.0)
    """The share of it that is left at the end of a cosine."""
    weight_decay: float = Field(0.01, ge=0.0)
    """Of AdamW."""
    beta2: float = Field(0.99, ge=0.0, lt=1.0)
    """Of AdamW's second moment."""
    clip: float = Field(1.0, gt=0.0)
    """The norm of the gradient, at most."""
    dropout: float = Field(0.1, ge=0.0, lt=1.0)
    """Share of the numbers going in and coming out that are dropped, the same ones over all steps of a batch (AWD-LSTM,
    Merity et al. 2017)."""
    state_dropped: float = Field(0.25, ge=0.0, le=1.0)
    """Share of the places whose state begins anew at a batch, so that the network can start from nothing."""
    ema_decay: float = Field(0.99, ge=0.0, lt=1.0)
    """Of the moving average of the weights, which is what is kept; 0: none is made."""


class CompressParams(Section):
    """How the trained network is made small."""

    seed: Seed = 0
    """Of the places in the text that parity is measured on."""
    calibration_samples: int = Field(256, ge=16)
    """How many these are."""
    students: tuple[int, ...] = ()
    """Widths of smaller networks that learn from the trained one; each is a candidate of the compression search."""
    student_epochs: int = Field(0, ge=0)
    """Epochs of a student; 0: as many as the trained network had."""
    temperature: float = Field(1.0, gt=0.0)
    """Divides the logits that a student learns from."""
    teacher_weight: float = Field(0.5, ge=0.0, le=1.0)
    """Of what a student learns from the trained network; the rest is from the text."""


class ScriptParams(FamilyParams):
    """All of it."""

    augment: AugmentParams = AugmentParams()
    train: TrainParams = TrainParams()
    compress: CompressParams = CompressParams()
