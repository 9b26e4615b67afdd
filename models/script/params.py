"""Typed section `script` of params.yaml."""

from __future__ import annotations

from pydantic import Field

from curation.params import Section, Seed
from models.family import EarlyStopParams, FamilyParams


class AugmentParams(Section):
    """Scenes as the network reads them, with control text in front; randomness during training belongs to `train`."""

    seed: Seed = 0
    """Seed of the omissions from the control text, and of the order of the outlines."""
    max_vocabulary: int = Field(120, ge=32, le=250)
    """Maximum number of characters in the vocabulary, the most frequent first; rarer ones are written without accents,
    or left out."""
    theme_words: int = Field(3, ge=1, le=8)
    """Maximum number of words of a theme: words that are more frequent in the scene than in others."""
    control_dropout: float = Field(0.3, ge=0.0, lt=1.0)
    """Probability of omitting each part of the control text, so that the network works without it."""
    completed_heading_share: float = Field(0.5, ge=0.0, le=1.0)
    """Share of the headings that get INT. or EXT. and a time of day where the text has neither, as in plays."""
    outlines: bool = True
    """Also learn outlines and characters, derived from headings, first directions and speakers."""


class TrainParams(EarlyStopParams):
    """The network and its training."""

    seed: Seed = 0
    """Seed of the initial weights, the order of the documents and dropout."""
    epochs: int = Field(7, ge=1)
    """Number of epochs, the interval of validation and checkpoints."""
    epoch_characters: int = Field(1_500_000, ge=0)
    """Characters read in an epoch; 0: all."""
    patience: int = Field(3, ge=1)
    """Epochs without improvement after which training ends."""
    batch_size: int = Field(128, ge=1)
    """Places in the text that are read at once, by all processes together."""
    sequence_length: int = Field(32, ge=2)
    """Characters of each place in a step; the state is carried on, gradients are not (truncated back-propagation,
    Williams and Peng 1990)."""

    width: int = Field(512, ge=8)
    """Width of the recurrent state."""
    layers: int = Field(1, ge=1, le=4)
    """Recurrent layers."""
    embedding: int = Field(128, ge=4)
    """Width of a character's embedding, shared by input and output (tied weights)."""

    learning_rate: float = Field(8e-3, gt=0.0)
    """Peak learning rate."""
    warmup_steps: int = Field(50, ge=1)
    """Steps of the warm-up of the learning rate."""
    final_learning_rate_share: float = Field(0.1, gt=0.0, le=1.0)
    """Share of the peak learning rate at the end of the cosine decay."""
    weight_decay: float = Field(0.01, ge=0.0)
    """Weight decay of AdamW."""
    beta2: float = Field(0.99, ge=0.0, lt=1.0)
    """Decay rate of the second moment in AdamW."""
    clip: float = Field(1.0, gt=0.0)
    """Maximum norm of the gradient."""
    dropout: float = Field(0.1, ge=0.0, lt=1.0)
    """Share of the inputs and outputs that are dropped, the same ones over all steps of a batch (AWD-LSTM, Merity et
    al. 2017)."""
    state_dropped: float = Field(0.25, ge=0.0, le=1.0)
    """Share of the places whose state is reset at a batch, so that the network can start without context."""
    ema_decay: float = Field(0.99, ge=0.0, lt=1.0)
    """Decay of the moving average of the weights, which is what is kept; 0: no average."""


class CompressParams(Section):
    """Compression of the trained network."""

    calibration_samples: int = Field(256, ge=16)
    """Number of places in the text that parity is measured on."""
    students: tuple[int, ...] = ()
    """Widths of smaller networks that learn from the trained one; each is a candidate."""
    student_epochs: int = Field(0, ge=0)
    """Epochs of a student; 0: as many as the trained network had."""
    temperature: float = Field(1.0, gt=0.0)
    """Divides the logits that a student learns from."""
    teacher_weight: float = Field(0.5, ge=0.0, le=1.0)
    """Weight of the trained network's output in a student's loss; the rest is the text."""


class ScriptParams(FamilyParams):
    """Params of the script family."""

    augment: AugmentParams = AugmentParams()
    train: TrainParams = TrainParams()
    compress: CompressParams = CompressParams()
