"""What a family is: all that a step needs to know, so that no step asks which family it works on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

from curation.params import Section

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    import numpy as np
    import pandas as pd
    import torch
    from pytorch_lightning import LightningDataModule, LightningModule

    from curation.sampleset import SampleSet
    from rushes.bundle import Bundle


class FamilyParams(Section):
    """The section of a family in params.yaml; every family has these three parts, each a Section of its own."""

    augment: Any
    train: Any
    compress: Any


@dataclass(frozen=True)
class Asset:
    """A file that travels in the bundle: a member of a package that assets.txt pins."""

    role: str
    package: str  # normalised name, as in assets.txt
    member: str  # path inside the archive
    name: str  # file name in the bundle
    sha256: str
    licence: str


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
class Scores:
    """What the score of a bundle on one split is made of.

    `rows`: one row a sample with id, group, source and whatever the objective needs (for a classifier: label,
    predicted, confidence and one column `p:LABEL` a label). `metrics`: named figures of the whole split.
    """

    rows: pd.DataFrame
    metrics: dict[str, float]


@dataclass(frozen=True)
class Sheet:
    """A sheet of pictures, yet to be drawn: uint8 H,W,C each, with a caption."""

    name: str
    title: str
    pictures: list[np.ndarray]
    captions: list[str]


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


@dataclass(frozen=True)
class Family:
    """A family: its params, its data, its network, its exports, its score.

    Attributes:
        name: The folder in models/ and the section in params.yaml.
        params: The typed section; refuses unknown keys.
        augment: (clean set, params, folder) -> packed set of train and validation; the test split stays shut.
        data: (set, params) -> batches.
        module: (set info, params) -> what Lightning trains; the network is passed in inside.
        network: module -> what is exported and compressed.
        graphs: (network, set) -> the graphs to export, pre- and post-processing inside; may calibrate on validation.
        calibration: (set, count, seed) -> feeds for static quantisation, from the validation split.
        assets: Files that travel along.
        settings: set info -> what the manifest tells the runtime (input, labels, crop).
        quantisation: `static` for convolutions, `dynamic` for recurrent layers.
        score: (bundle or folder of the fp32 graphs, clean set, split) -> Scores, through the bundle's own graph.
        draw: (scores, clean set, split) -> picture sheets for the report.
        objective: The figure that promotion compares.
    """

    name: str
    params: type[FamilyParams]
    augment: Callable[[SampleSet, Any, Path], SampleSet]
    data: Callable[[SampleSet, Any], LightningDataModule]
    module: Callable[[Mapping[str, Any], Any], LightningModule]
    network: Callable[[LightningModule], torch.nn.Module]
    graphs: Callable[[torch.nn.Module, SampleSet], list[Graph]]
    calibration: Callable[[SampleSet, int, int], list[dict[str, np.ndarray]]]
    assets: tuple[Asset, ...]
    settings: Callable[[Mapping[str, Any]], dict[str, Any]]
    quantisation: Literal["static", "dynamic"]
    score: Callable[[Bundle, SampleSet, str], Scores]
    draw: Callable[[Scores, SampleSet, str], list[Sheet]]
    objective: Objective
