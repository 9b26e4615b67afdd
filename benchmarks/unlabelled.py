"""Gain of a student from unlabelled faces: one learns from labelled ones alone, one from both, with equal steps.

    python -m benchmarks.unlabelled --data FER2013_FOLDER_OR_ARCHIVE [--labelled 0.33] [--most 1] [--minutes 10]
                                    [--seeds 2] [--keep FOLDER] [--quick]

- Of train a share keeps its labels, chosen by groups; the rest has the form of clean's result for unlabelled
  pictures. The product's network learns from those labels alone, and is the teacher of every student.
- Students are those of params.yaml, the narrowest. The one with labelled faces alone learns for so many minutes, the
  other one makes as many steps. Each seed is a round.
- Figures are of the folder `validation`, which the product takes as its test split, all of its pictures that decode;
  the best epoch is chosen on a tenth of train, all of it labelled.

Figures go to standard output, one per line; every network's row goes to standard error.
"""

from __future__ import annotations

import copy
import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

import numpy as np
import pandas as pd

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
from benchmarks.support.within import planned, train, trained
from compression.search.candidate import reference
from compression.search.uncertainty import standard_error
from curation.store.sample_set import APART, NO_LABEL, SampleSet, write_set
from models.components.randomness import derived_seed
from models.expression.definition import family as expression
from rushes.bundle.manifest import read_bundle

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    import torch
    from pytorch_lightning import LightningModule

    from benchmarks.support.face_sets import Sets
    from models.expression.params import ExpressionParams, TrainParams
    from models.family import Distillation, Family

ALONE, BOTH = "labelled faces alone", "those without a label too"


def part_labelled(clean: SampleSet, share: float, seed: int, folder: Path) -> SampleSet:
    """The set as clean would have written it with labels for only a share of the training groups.

    Args:
        clean: A clean set; its test split is left out.
        share: Of the groups of train.
        seed: Selects the groups.
        folder: Of the result.
    """
    train, validation = clean.kept("train"), clean.kept("validation")
    groups = train["group"].unique()
    random = np.random.default_rng(derived_seed(seed, "labelled"))
    chosen = random.permutation(groups)[: max(1, round(share * len(groups)))]
    with_n = train["group"].isin(chosen).to_numpy()
    without = train[~with_n].assign(label="", votes=None, kept=False, reason=NO_LABEL)
    parts = [train[with_n], without]
    table = pd.concat([*(part.assign(row=np.arange(len(part))) for part in parts), validation], ignore_index=True)
    pictures_nhwc = clean.array("train")
    arrays = {
        "train": pictures_nhwc[with_n],
        "validation": np.asarray(clean.array("validation")),
        APART: pictures_nhwc[~with_n],
    }
    return write_set(folder, table, arrays, clean.info)


@dataclass(frozen=True)
class Bench:
    """Settings of a run, and its folder.

    Attributes:
        family: The product's family, without bundled assets.
        params: Its section of params.yaml.
        sets: The clean set for measuring, and the training set with few labels.
        most: Unlabelled faces, at most so many times the labelled ones; affects only the students of both.
        minutes: Of each training.
        folder: Of the trainings.
    """

    family: Family
    params: ExpressionParams
    sets: Sets
    most: float
    minutes: float
    folder: Path

    def rounds(self, seeds: int) -> list[dict[str, pd.DataFrame]]:
        """Predictions of each student for each seed; the teacher's figures are printed too."""
        folder = self.folder / "teacher"
        teacher = train(self.family, self.params.train, self.sets.made, self.minutes, folder).network
        print_scores("teacher", self._read(teacher, folder))
        return [self._round(teacher, seed) for seed in range(seeds)]

    def _round(self, teacher: torch.nn.Module, seed: int) -> dict[str, pd.DataFrame]:
        distillation = cast("Distillation", self.family.distillation)
        (config,) = distillation.students(self.params).values()
        config = config.model_copy(update={"seed": self.params.train.seed + seed})

        def taught(module: LightningModule) -> None:
            distillation.teach(module, copy.deepcopy(teacher), self.params)

        alone, both = self.sets.made, self.sets.made.and_unlabelled
        # One plan for all seeds, since they would otherwise differ in length with the machine's load.
        epochs = planned(self.family, config, alone, self.minutes, self.folder / "student.json", taught)
        # Both make as many steps, and neither stops before the end of its learning rate schedule.
        fewer = max(1, round(epochs * len(alone.kept("train")) / len(both.kept("train"))))
        read: dict[str, pd.DataFrame] = {}
        for name, samples, count, place in (
            (ALONE, alone, epochs, f"alone-{seed}"),
            (BOTH, both, fewer, f"both-{self.most:g}-{seed}"),
        ):
            folder = self.folder / place
            section: TrainParams = config.model_copy(update={"epochs": count, "patience": count})
            print(f"# student, seed {seed}, {name}: {count} epochs", file=sys.stderr, flush=True)
            read[name] = self._read(trained(self.family, section, samples, folder, taught).network, folder)
            print_scores(f"student, seed {seed}, {name}", read[name])
        return read

    def _read(self, network: torch.nn.Module, folder: Path) -> pd.DataFrame:
        """Its predictions on the measured split, in float."""
        reference(self.family, network, self.sets.made, self.params.compress, folder / "graphs", no_asset)
        return self.family.score(read_bundle(folder / "graphs"), self.sets.clean.whole, SPLIT, no_asset).rows


def print_scores(name: str, rows: pd.DataFrame) -> None:
    """Its line of the table."""
    print(
        f"# {name}\taccuracy {right(rows):.4f}\tmacro F1 {expression.objective(rows):.4f}", file=sys.stderr, flush=True
    )


def figures_of(rounds: list[dict[str, pd.DataFrame]]) -> list[Figure]:
    """Gains in accuracy and macro F1 from more faces; prints the standard error of each seed's difference."""
    for seed, read in enumerate(rounds):
        gained = expression.objective(read[BOTH]) - expression.objective(read[ALONE])
        error = standard_error(expression.objective, read[BOTH], read[ALONE])
        print(f"# seed {seed}: {gained:+.4f} of macro F1, standard error {error:.4f}", file=sys.stderr)
    return [
        Figure(
            f"{name}, student of all faces/of labelled ones alone",
            [score(read[BOTH]) for read in rounds],
            [score(read[ALONE]) for read in rounds],
            1.0,
            at_most=False,
        )
        for name, score in (("accuracy", right), ("macro F1", expression.objective))
    ]


def bench_of(choices: argparse.Namespace, folder: Path) -> Bench:
    """The finished sets, and the configs of params.yaml with the run's settings."""
    family = replace(expression, assets=())
    name, params, collection = collected(family)
    own = params.train.model_copy(update={"seed": choices.seed, **(SMALL if choices.quick else {})})
    narrowest = (8, 8) if choices.quick else min(params.compress.students)
    compressing = params.compress.model_copy(update={"students": (narrowest,)})
    params = params.model_copy(update={"train": own, "compress": compressing})
    of_sets = [params.augment.model_dump(), collection.model_dump()]
    place = below(folder, "sets", data=choices.data.name, params=of_sets)
    whole = make_sets(choices.data, None, name, collection, family, params.augment, place)
    place = below(place, "labelled", share=choices.labelled, seed=choices.seed)
    most = params.augment.max_unlabelled_ratio if choices.most is None else choices.most
    sets = replace(whole, made=SampleSet(place / f"set-{most:g}"))
    if not (sets.made.folder / "set.json").is_file():
        few = part_labelled(whole.clean, choices.labelled, choices.seed, place / "clean")
        augment = params.augment.model_copy(update={"max_unlabelled_ratio": most})
        family.augment(few, augment, sets.made.folder, no_asset)
    counts = [len(few.kept("train")) for few in (sets.made, sets.made.and_unlabelled)]
    print(f"# labelled {counts[0]:,} (copies included), without a label {counts[1] - counts[0]:,}", file=sys.stderr)
    configs = [own.model_dump(), compressing.model_dump(), choices.minutes]
    return Bench(family, params, sets, most, choices.minutes, below(place, "trained", configs=configs))


def measure(choices: argparse.Namespace, folder: Path) -> list[Figure]:
    """All figures."""
    return figures_of(bench_of(choices, folder).rounds(choices.seeds))


def main(words: list[str] | None = None) -> int:
    """Measures and prints."""
    parser = new_parser("unlabelled", __doc__)
    add_arguments(parser, minutes=10.0)
    parser.add_argument("--labelled", type=float, default=0.33, help="the share of train that keeps its labels")
    parser.add_argument("--most", type=float, help="faces without a label, so many times the labelled ones at most; by "
                        "default as in params.yaml")  # fmt: skip
    parser.add_argument("--seeds", type=int, default=2, help="students of each kind")
    choices = parser.parse_args(words)
    check_arguments(parser, choices)
    if not 0.0 < choices.labelled < 1.0:
        parser.error(f"--labelled {choices.labelled:g} leaves nothing to compare; it is between 0 and 1")
    if choices.seeds < 1:
        parser.error(f"--seeds {choices.seeds} asks for no student")
    return run(parser, choices, measure)


if __name__ == "__main__":
    sys.exit(main())
