"""Family contract: everything that a step needs to know, so that no step asks which family it handles."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
from pydantic import Field, PositiveInt, field_validator

from curation.params import Section, Seed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    import pandas as pd
    import torch
    from pytorch_lightning import LightningDataModule, LightningModule

    from common.assets import Asset, Read
    from curation.store.sample_set import SampleSet
    from models.components.search_space import SearchSpace
    from rushes.bundle.manifest import Bundle


Calibration = Literal["minmax", "entropy", "percentile"]  # method of static quantisation for the ranges of activations


class BudgetParams(Section):
    """Limits for a compressed model; an omitted limit does not apply."""

    max_objective_drop: float = Field(default=0.02, ge=0.0)
    """Maximum loss of the family's objective relative to the trained network in float, on the validation split,
    including the standard error of the difference."""
    max_latency_ms: float | None = Field(default=None, gt=0.0)
    """95th percentile of the latency of one sample on one thread, on the machine that compresses."""
    max_bytes: int | None = Field(default=None, ge=1)
    """Size of the graphs; other files of the bundle do not count."""


class FitParams(Section):
    """The part of a family's section `train` that `training.fit` reads; a family gives its own defaults and bounds."""

    seed: Seed = 0
    """Of the first weights and of all other randomness."""
    epochs: int = Field(1, ge=1)
    """Passes over the training split, at most."""
    starter_epochs: PositiveInt | None = None
    """`epochs` while the set holds starter data alone; null: the same number."""
    batch_size: int = Field(64, ge=1)
    """Samples of each step, of all processes together."""
    precision: Literal["auto", "32-true", "tf32", "bf16-mixed"] = "auto"
    """`auto` is bf16 where the hardware is faster in it. `tf32` rounds the factors of matrix products to 10 bits on a
    GPU; elsewhere it equals `32-true`, which rounds none."""
    learning_rate: float = Field(1e-3, gt=0.0)
    """At its peak."""
    ema_decay: float = Field(0.0, ge=0.0, lt=1.0)
    """Of the moving average of the weights, which is what is kept; 0: none is made."""


class EarlyStopParams(FitParams):
    """The same for a family that stops early: one whose monitor is a minimum or a maximum."""

    patience: int = Field(8, ge=1)
    """Epochs without a better figure of validation after which training stops."""


class FamilyParams(Section):
    """Section of a family in params.yaml; every family has these parts, each a Section of its own."""

    augment: Any
    train: Any
    compress: Any
    budget: BudgetParams = BudgetParams()


class Prune(Section):
    """Networks with whole channels removed (Fang et al. 2023, DepGraph): layers get narrower, not sparse."""

    shares: tuple[float, ...] = ()
    """Shares of the channels to remove; each is a candidate."""
    importance: Literal["taylor", "magnitude"] = "taylor"
    """Importance of a channel: change of the loss without it (Molchanov et al. 2019), or size of its weights."""
    scope: Literal["global", "layer"] = "global"
    """Compare channels of all layers, or those of each layer separately."""
    rounds: int = Field(2, ge=1, le=20)
    """Number of rounds, each followed by fine-tuning."""
    epochs: int = Field(4, ge=1)
    """Passes over the training split after each round."""
    learning_rate_share: float = Field(0.3, gt=0.0, le=1.0)
    """Initial learning rate of fine-tuning, as a share of that of training."""
    samples: int = Field(512, ge=16)
    """Training samples that the loss is evaluated on."""

    @field_validator("shares")
    @classmethod
    def _some(cls, shares: tuple[float, ...]) -> tuple[float, ...]:
        wrong = [share for share in shares if not 0.0 < share < 1.0]
        if wrong:
            message = f"{wrong[0]:g} is not a share of channels to remove: it must be between 0 and 1"
            raise ValueError(message)
        return shares


class QuantisationAware(Section):
    """Fine-tuning with simulated int8 rounding (Jacob et al. 2018), for networks that lose too much in int8."""

    epochs: int = Field(3, ge=0)
    """Passes over the training split; 0: never. A network is fine-tuned only if its float variant meets the budget's
    objective and none of its int8 variants does."""
    learning_rate_share: float = Field(0.1, gt=0.0, le=1.0)
    """Its initial learning rate, as a share of that of training."""


class StaticCompress(Section):
    """Compression of a family with convolutions."""

    seed: Seed = 0
    """Seed of the choice of calibration samples."""
    calibration_samples: int = Field(512, ge=16)
    """Training samples that the ranges of activations are measured on."""
    calibrations: tuple[Calibration, ...] = Field(("minmax",), min_length=1)
    """Methods for these ranges; each is a candidate. The first one is used where layers stay float."""
    float_layers: tuple[PositiveInt, ...] = ()
    """Numbers of layers to keep in float, those that lose most in int8 by measurement; each number is a candidate."""


@dataclass(frozen=True)
class FineTuning:
    """Modification and fine-tuning of a family's network.

    Attributes:
        config: (params of the family, epochs, share of the learning rate) -> the `train` section of fine-tuning.
        example: set -> example input to trace the network with, of batch 2.
        kept: network -> layers whose number of outputs must not change, such as the last one.
        loss: (network, set, samples) -> the loss over so many samples of the training split, with gradients.
    """

    config: Callable[[Any, int, float], Any]
    example: Callable[[SampleSet], torch.Tensor]
    kept: Callable[[torch.nn.Module], list[torch.nn.Module]]
    loss: Callable[[torch.nn.Module, SampleSet, int], torch.Tensor]


@dataclass(frozen=True)
class Made:
    """A file of the bundle that is generated from the set, such as the memorisation filter of a writer."""

    role: str
    name: str  # file name in the bundle
    content: bytes


@dataclass(frozen=True)
class Graph:
    """A graph to export: a module including pre- and post-processing, and its signature.

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
    """Distillation of a smaller network from a family's trained one (Hinton et al. 2015).

    Attributes:
        students: (params of the family) -> the `train` section of each student, by its name.
        teach: (module of a student, the trained network, params of the family) -> attaches the teacher to the student.
        unlabelled: True if students learn from images without a label too, since the trained network labels them.
    """

    students: Callable[[Any], Mapping[str, Any]]
    teach: Callable[[LightningModule, torch.nn.Module, Any], None]
    unlabelled: bool = False

    def samples(self, samples: SampleSet) -> SampleSet:
        """Samples that students learn from."""
        return samples.and_unlabelled if self.unlabelled else samples


@dataclass(frozen=True)
class Scores:
    """Scores of a bundle on one split.

    `rows`: one row a sample with id, group, source and the columns of the objective (for a classifier: label,
    predicted, confidence and one column `p:LABEL` a label). `metrics`: named metrics of the whole split. `arrays`:
    images for `draw` beside the split's own, such as those that a generator drew; uint8 N,H,W,C each. `texts`: written
    texts by caption, in Fountain.
    """

    rows: pd.DataFrame
    metrics: dict[str, float]
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Monitor:
    """Validation metric that selects the best epoch and stops training early; a key of the logged metrics.

    With `last` the last epoch is kept, and the metric only stops a training that has diverged: for a family whose
    validation metrics are less informative than the length of training.
    """

    name: str
    mode: Literal["min", "max", "last"]


@dataclass(frozen=True)
class Sheet:
    """A sheet of images to render: uint8 H,W,C each, with a caption.

    `columns` 0 means automatic; `cell_px` is the square that each image is fitted into, 0 means that of a thumbnail.
    """

    name: str
    title: str
    pictures: list[np.ndarray]
    captions: list[str]
    columns: int = 0
    cell_px: int = 0


class Objective(Protocol):
    """The metric by which a challenger must beat the champion; higher is better."""

    name: str

    def __call__(self, rows: pd.DataFrame, weights: np.ndarray | None = None) -> float:
        """The metric over rows, each counted `weights` times (for the bootstrap)."""
        ...

    def shared(self, first: pd.DataFrame, second: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Both tables restricted to the part that their taxonomies share."""
        ...

    def worst(self, rows: pd.DataFrame, weights: np.ndarray | None = None) -> dict[str, float]:
        """Metrics that must not get worse, by name (for a classifier: F1 of each label)."""
        ...


def agreement_of_labels(truth: np.ndarray, compressed: np.ndarray) -> dict[str, float]:
    """Difference between a compressed classifier and the trained one.

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
    """A family: its params, data, network, exports and scores.

    Attributes:
        name: The folder in models/ and the section in params.yaml.
        params: The typed section; refuses unknown keys.
        augment: (clean set, params, folder, read) -> packed set of train and validation; the test split is not opened.
            `starter_only` in set.json stays as it is.
        data: (set, params) -> batches.
        module: (set info, params) -> the Lightning module, with the network in it.
        network: module -> the network to export and compress.
        graphs: (network, set) -> the graphs to export, with pre- and post-processing; may calibrate on validation.
        calibration: (set, split, count, seed, graph) -> feeds: of train for static quantisation, of validation for
            parity.
        assets: Files to ship with the bundle, also beside the float reference.
        made: set -> files generated from it to ship with the bundle.
        instruments: Files for measuring the score; not shipped.
        settings: (set info, graphs) -> runtime settings for the manifest (input, labels, crop).
        quantisation: `static` for convolutions, `dynamic` for recurrent layers.
        score: (bundle or folder of the fp32 graphs, clean set, split, read) -> Scores, through the bundle's own graph.
        draw: (scores, clean set, split) -> image sheets for the report.
        objective: The metric that promotion compares.
        monitor: The metric that selects the best epoch of training.
        agreement: (outputs of the trained network, of the compressed graph) -> their difference.
        kept_float: Name prefixes of nodes that stay float in the exported graphs.
        scores_as_given: True if dropped test samples are to be scored too: useful where published metrics cover all of
            them, not where the split is the reference for generated images.
        distillation: Training of students; None if the family has none.
        fine_tuning: Pruning and fine-tuning; None if the family has no such candidates.
        search_space: Ranges that `python -m flows search` varies, by path below the family, such as
            `train.learning_rate`. The size of a network is not among them: it is bound by the budget.
        progress: module -> images that show the progress of training, uint8 H,W,C each, with the same inputs every
            epoch; None if there is nothing to show.
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
    search_space: SearchSpace = field(default_factory=dict)
    progress: Callable[[LightningModule], list[np.ndarray]] | None = None
