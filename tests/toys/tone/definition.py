"""The toy family, put together from its parts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from pytorch_lightning import LightningModule
from torch.nn import functional

from curation.store.sample_set import TRAIN, SampleSet, write_set
from models.components.batches import PackedPictures
from models.components.randomness import derived_seed
from models.family import Family, Graph, Monitor, Scores, Sheet
from models.tone.params import ToneParams, TrainParams
from rushes.inference.session import open_graph

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import pandas as pd

    from common.assets import Read
    from models.components.batches import Batch
    from rushes.bundle.manifest import Bundle


class Network(torch.nn.Module):
    """Pictures uint8 N,H,W,C -> probabilities N,L, from the mean of each."""

    def __init__(self, labels: int) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(2, labels)

    def logits(self, pictures_nhwc: torch.Tensor) -> torch.Tensor:
        """Logits N,L of mean and square of it."""
        mean_n = pictures_nhwc.float().mean((1, 2, 3)) / 127.5 - 1.0
        return self.layer(torch.stack([mean_n, mean_n**2], 1))

    def forward(self, pictures_nhwc: torch.Tensor) -> torch.Tensor:
        """Probabilities N,L."""
        return self.logits(pictures_nhwc).softmax(1)


class Module(LightningModule):
    """Lightning module of the network."""

    def __init__(self, network: Network, params: TrainParams) -> None:
        super().__init__()
        self.network, self.params = network, params

    def training_step(self, batch: Batch, _number: int = 0) -> torch.Tensor:
        """Cross-entropy."""
        return functional.cross_entropy(self.network.logits(batch.pictures_nhwc), batch.targets_nl)

    def validation_step(self, batch: Batch, _number: int = 0) -> None:
        """Logs val/loss."""
        self.log("val/loss", self.training_step(batch), on_epoch=True, batch_size=len(batch.targets_nl))

    def configure_optimizers(self) -> Any:  # one of the many forms that Lightning takes
        """Adam."""
        return torch.optim.Adam(self.network.parameters(), lr=self.params.learning_rate)


def augment(clean: SampleSet, _params: Any, folder: Path, _read: Read) -> SampleSet:
    """The set as it is, less its test split."""
    table = clean.table[clean.table["kept"] & (clean.table["split"] != "test")]
    arrays = {split: np.asarray(clean.array(split)) for split in (TRAIN, "validation")}
    return write_set(folder, table, arrays, clean.info)


def module(info: Mapping[str, Any], params: TrainParams) -> Module:
    """A new network, its weights drawn from params.seed alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derived_seed(params.seed, "weights"))
        return Module(Network(len(info["labels"])), params)


def graphs(trained: torch.nn.Module, samples: SampleSet) -> list[Graph]:
    """One graph: pictures uint8 N,H,W,C -> probabilities float32 N,L."""
    size_px, channels = samples.info["size_px"], samples.info["channels"]
    example = torch.zeros(2, size_px, size_px, channels, dtype=torch.uint8)
    return [Graph("graph", "tone.onnx", trained.eval(), (example,), ("pictures",), ("probabilities",))]


def calibration(samples: SampleSet, split: str, count: int, _seed: int, _graph: Graph) -> list[dict[str, np.ndarray]]:
    """The first pictures of a split."""
    return [{"pictures": np.ascontiguousarray(samples.array(split)[:count])}]


def score(bundle: Bundle, samples: SampleSet, split: str, _read: Read) -> Scores:
    """Accuracy over a split."""
    feed = {"pictures": np.ascontiguousarray(samples.array(split))}
    probabilities_nl = open_graph(bundle.path("graph")).run(None, feed)[0]
    rows = samples.kept(split)[["id", "group", "source", "label"]]
    rows = rows.assign(predicted=np.array(bundle.manifest.labels)[probabilities_nl.argmax(1)])
    return Scores(rows, {"accuracy": Accuracy()(rows)})


class Accuracy:
    """Share of samples whose label is found."""

    name = "accuracy"

    def __call__(self, rows: pd.DataFrame, weights: np.ndarray | None = None) -> float:
        """The figure over rows, each counted `weights` times."""
        return float(np.average(rows["label"] == rows["predicted"], weights=weights))

    def shared(self, first: pd.DataFrame, second: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Both, as they are."""
        return first, second

    def worst(self, _rows: pd.DataFrame, _weights: np.ndarray | None = None) -> dict[str, float]:
        """No part has to keep up."""
        return {}


def draw(scores: Scores, samples: SampleSet, split: str) -> list[Sheet]:
    """The first pictures and what was found."""
    rows = scores.rows.head(8)
    captions = list(rows["label"] + " > " + rows["predicted"])
    return [Sheet("readings", "Truth > reading", list(samples.array(split)[: len(rows)]), captions)]


def settings(info: Mapping[str, Any], _graphs: Sequence[Graph]) -> dict[str, Any]:
    """Entries of the manifest for the runtime."""
    return {"labels": list(info["labels"]), "input": {"size_px": info["size_px"], "channels": info["channels"]}}


family = Family(
    name="tone",
    params=ToneParams,
    augment=augment,
    data=PackedPictures,
    module=module,
    network=lambda trained: trained.network,
    graphs=graphs,
    calibration=calibration,
    assets=(),
    settings=settings,
    quantisation="static",
    score=score,
    draw=draw,
    objective=Accuracy(),
    monitor=Monitor("val/loss", "min"),
)
