"""What a family is: all that a step needs to know, so that no step asks which family it works on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
from pydantic import Field, PositiveInt, field_validator

from curation.params import Section, Seed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import pandas as pd
    import torch
    from pytorch_lightning import LightningDataModule, LightningModule

    from curation.store.sample_set import SampleSet
    from rushes.bundle.manifest import Bundle


Calibration = Literal["minmax", "entropy", "percentile"]  # how static quantisation finds the ranges of activations


class Budget(Section):
    """What a compressed model may cost; where a limit is left out, it holds no one back."""

    max_objective_drop: float = Field(default=0.02, ge=0.0)
    """How far the family's objective may fall below that of the trained network in float, on the validation split, the
    standard error of the difference included."""
    max_latency_ms: float | None = Field(default=None, gt=0.0)
    """The 95th percentile of one sample on one thread, on the machine that compresses."""
    max_bytes: int | None = Field(default=None, ge=1)
    """Of the graphs; what travels along is not counted."""


class FitParams(Section):
    """The part of a family's section `train` that `training.fit` reads; a family gives its own defaults and bounds."""

    seed: Seed = 0
    """Of the first weights and of all other randomness."""
    epochs: int = Field(1, ge=1)
    """Passes over the training split, at most."""
    precision: Literal["auto", "32-true", "bf16-mixed"] = "auto"
    """`auto` is bf16 where the hardware is faster in it."""
    learning_rate: float = Field(1e-3, gt=0.0)
    """At its peak."""
    ema_decay: float = Field(0.0, ge=0.0, lt=1.0)
    """Of the moving average of the weights, which is what is kept; 0: none is made."""


class EarlyStopParams(FitParams):
    """The same for a family that stops early: one whose monitor is a minimum or a maximum."""

    patience: int = Field(8, ge=1)
    """Epochs without a better figure of validation after which training stops."""


class FamilyParams(Section):
    """The section of a family in params.yaml; every family has these parts, each a Section of its own."""

    augment: Any
    train: Any
    compress: Any
    budget: Budget = Budget()


class Prune(Section):
    """Networks with whole channels taken out (Fang et al. 2023, DepGraph): layers get narrower, none gets sparse."""

    shares: tuple[float, ...] = ()
    """Shares of the channels that are taken out; each is a candidate of the compression search."""
    importance: Literal["taylor", "magnitude"] = "taylor"
    """What a channel is worth: by how much the loss would change without it (Molchanov et al. 2019), or by its
    weights alone."""
    scope: Literal["global", "layer"] = "global"
    """Whether channels of all layers are held against each other, or those of each layer alone."""
    rounds: int = Field(2, ge=1, le=20)
    """In so many rounds, each with fine-tuning after it."""
    epochs: int = Field(4, ge=1)
    """Passes over the training split after each round."""
    learning_rate_share: float = Field(0.3, gt=0.0, le=1.0)
    """Share of the learning rate of training that fine-tuning begins with."""
    samples: int = Field(512, ge=16)
    """Training samples that the loss is looked at on."""

    @field_validator("shares")
    @classmethod
    def _some(cls, shares: tuple[float, ...]) -> tuple[float, ...]:
        wrong = [share for share in shares if not 0.0 < share < 1.0]
        if wrong:
            message = f"{wrong[0]:g} is not a share of channels to take out: between 0 and 1"
            raise ValueError(message)
        return shares


class QuantisationAware(Section):
    """Fine-tuning with the rounding of int8 in it (Jacob et al. 2018), for networks that int8 costs too much."""

    epochs: int = Field(3, ge=0)
    """Passes over the training split; 0: never. A network is only tuned so where its float form holds the budget's
    objective and none of its int8 forms does."""
    learning_rate_share: float = Field(0.1, gt=0.0, le=1.0)
    """Share of the learning rate of training that it begins with."""


class StaticCompress(Section):
    """What a family with convolutions says of how it is made small."""

    seed: Seed = 0
    """Of which samples are calibrated on."""
    calibration_samples: int = Field(512, ge=16)
    """Training samples that the ranges of activations are measured on."""
    calibrations: tuple[Calibration, ...] = Field(("minmax",), min_length=1)
    """How these ranges are found; each is a candidate of the compression search. Where layers stay float, the first
    one is used."""
    float_layers: tuple[PositiveInt, ...] = ()
    """How many of the layers that int8 hurts most, found by measuring each, stay float; each is a candidate."""


@dataclass(frozen=True)
class FineTuning:
    """Fine-tuning of a family's networks after they were changed.

    Attributes:
        config: (params of the family, epochs, share of the learning rate) -> the `train` section of fine-tuning.
        example: set -> what the network is traced with, of batch 2.
        kept: network -> the layers whose outputs stay as many as they are, such as the last one.
        loss: (network, set, samples) -> the loss over so many samples of the training split, with gradients.
    """

    config: Callable[[Any, int, float], Any]
    example: Callable[[SampleSet], torch.Tensor]
    kept: Callable[[torch.nn.Module], list[torch.nn.Module]]
    loss: Callable[[torch.nn.Module, SampleSet, int], torch.Tensor]


@dataclass(frozen=True)
class Asset:
    """A file out of a package that assets.txt pins: it travels in the bundle, or a step learns or measures with it."""

    role: str
    package: str  # normalised name, as in assets.txt
    member: str  # path inside the archive
    name: str  # file name in the bundle
    sha256: str
    licence: str


@dataclass(frozen=True)
class Made:
    """A file of the bundle that is made from the set, such as what a writer must know of the text that was learned."""

    role: str
    name: str  # file name in the bundle
    content: bytes


# Brings an asset's bytes, those that its sha256 says; a step passes it in, since packages lie where settings say.
Read = Callable[[Asset], bytes]


@dataclass(frozen=True)
class Graph:
    """A graph to export: a module with pre- and post-processing inside, and how to call it.

    `example` are inputs of batch 2; every first axis is dynamic.
    """

    role: str
    name: str  # file name in the bundle
    module: torch.nn.Module
    example: tuple[torch.Tensor, ...]
    input_names: tuple[str, ...]
    output_names: tuple[str, ...]


@dataclass(frozen=True)
class Distillation:
    """How a smaller network of a family learns from the trained one (Hinton et al. 2015).

    Attributes:
        students: (params of the family) -> the `train` section of each student, by its name.
        teach: (module of a student, the trained network, params of the family) -> from then on it learns from it.
        unlabelled: Whether students learn from pictures without a label too, since the trained network reads them.
    """

    students: Callable[[Any], Mapping[str, Any]]
    teach: Callable[[LightningModule, torch.nn.Module, Any], None]
    unlabelled: bool = False

    def samples(self, samples: SampleSet) -> SampleSet:
        """What students learn from, of all that there is."""
        return samples.and_unlabelled if self.unlabelled else samples


@dataclass(frozen=True)
class Scores:
    """What the score of a bundle on one split is made of.

    `rows`: one row a sample with id, group, source and whatever the objective needs (for a classifier: label,
    predicted, confidence and one column `p:LABEL` a label). `metrics`: named figures of the whole split. `arrays`:
    what `draw` shows beside the split's own pictures, such as those that a generator drew; uint8 N,H,W,C each.
    `texts`: what was written, by a caption; Fountain.
    """

    rows: pd.DataFrame
    metrics: dict[str, float]
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Monitor:
    """The figure of validation by which training keeps its best epoch and stops early; a key of what is logged.

    With `last` the last epoch is kept, and the figure only ends a training that has diverged: for a family whose
    figures of validation say less than how long it has learned.
    """

    name: str
    mode: Literal["min", "max", "last"]


@dataclass(frozen=True)
class Sheet:
    """A sheet of pictures, yet to be drawn: uint8 H,W,C each, with a caption; `columns` 0 means as fits."""

    name: str
    title: str
    pictures: list[np.ndarray]
    captions: list[str]
    columns: int = 0


class Objective(Protocol):
    """The figure by which a challenger must beat the champion; higher is better."""

    name: str

    def __call__(self, rows: pd.DataFrame, weights: np.ndarray | None = None) -> float:
        """The figure over rows, each counted `weights` times (for the bootstrap)."""
        ...

    def shared(self, first: pd.DataFrame, second: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Both tables cut down to what their taxonomies share."""
        ...

    def worst(self, rows: pd.DataFrame, weights: np.ndarray | None = None) -> dict[str, float]:
        """The figure of each part that must not fall behind, by name (for a classifier: F1 of each label)."""
        ...


def agreement_of_labels(truth: np.ndarray, compressed: np.ndarray) -> dict[str, float]:
    """How far a compressed classifier is from the trained one.

    Args:
        truth: Outputs of the trained network, N,L.
        compressed: Outputs of the compressed graph, N,L.

    Returns:
        compressed_mean: Mean difference.
        compressed_agreement: Share of samples whose largest output is the same.
    """
    return {
        "compressed_mean": float(np.abs(compressed - truth).mean()),
        "compressed_agreement": float((compressed.argmax(-1) == truth.argmax(-1)).mean()),
    }


@dataclass(frozen=True)
class Family:
    """A family: its params, its data, its network, its exports, its score.

    Attributes:
        name: The folder in models/ and the section in params.yaml.
        params: The typed section; refuses unknown keys.
        augment: (clean set, params, folder, read) -> packed set of train and validation; the test split stays shut.
        data: (set, params) -> batches.
        module: (set info, params) -> what Lightning trains; the network is passed in inside.
        network: module -> what is exported and compressed.
        graphs: (network, set) -> the graphs to export, pre- and post-processing inside; may calibrate on validation.
        calibration: (set, split, count, seed, graph) -> feeds: of train for static quantisation, of validation for
            parity.
        assets: Files that travel along, also beside the float reference.
        made: set -> files made from it that travel along as well.
        instruments: Files that the score measures with; they do not travel.
        settings: (set info, graphs) -> what the manifest tells the runtime (input, labels, crop).
        quantisation: `static` for convolutions, `dynamic` for recurrent layers.
        score: (bundle or folder of the fp32 graphs, clean set, split, read) -> Scores, through the bundle's own graph.
        draw: (scores, clean set, split) -> picture sheets for the report.
        objective: The figure that promotion compares.
        monitor: The figure that training keeps its best epoch by.
        agreement: (outputs of the trained network, of the compressed graph) -> how far they are apart.
        kept_float: What the name of a node that stays float begins with, in the exported graphs.
        scores_as_given: Whether test samples that clean dropped say something: they do where others have published
            figures over all of them, and not where the split is what a drawn picture is held against.
        distillation: How students learn from the trained network; None where the family has none.
        fine_tuning: How a network is made narrower and trained on; None where the family has no such candidates.
        progress: module -> the pictures that show how far training is, uint8 H,W,C each, the same places every epoch;
            None where there is nothing to look at.
    """

    name: str
    params: type[FamilyParams]
    augment: Callable[[SampleSet, Any, Path, Read], SampleSet]
    data: Callable[[SampleSet, Any], LightningDataModule]
    module: Callable[[Mapping[str, Any], Any], LightningModule]
    network: Callable[[LightningModule], torch.nn.Module]
    graphs: Callable[[torch.nn.Module, SampleSet], list[Graph]]
    calibration: Callable[[SampleSet, str, int, int, Graph], list[dict[str, np.ndarray]]]
    assets: tuple[Asset, ...]
    settings: Callable[[Mapping[str, Any], Sequence[Graph]], dict[str, Any]]
    quantisation: Literal["static", "dynamic"]
    score: Callable[[Bundle, SampleSet, str, Read], Scores]
    draw: Callable[[Scores, SampleSet, str], list[Sheet]]
    objective: Objective
    monitor: Monitor
    made: Callable[[SampleSet], list[Made]] | None = None
    instruments: tuple[Asset, ...] = ()
    agreement: Callable[[np.ndarray, np.ndarray], dict[str, float]] = agreement_of_labels
    kept_float: tuple[str, ...] = ()
    scores_as_given: bool = True
    distillation: Distillation | None = None
    fine_tuning: FineTuning | None = None
    progress: Callable[[LightningModule], list[np.ndarray]] | None = None
