"""Trained weights to the smallest files that still hold: the float reference, the ladder, and what it picks."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors.torch import load_file

from common.settings import load_settings
from compression.search.candidate import reference
from compression.search.candidates import FLOAT_WINS
from compression.search.search import Climb, tidy
from curation.store.sample_set import SampleSet
from models.components.load import load_params
from models.families import by_name
from registry.assets import read_asset
from registry.dvc.stage_key import stage_key
from rushes.inference.cpu import processor
from training.divergence import NotFiniteError, not_finite_weight
from training.fit import Devices

if TYPE_CHECKING:
    import torch

    from compression.search.candidates import Ladder, Rung
    from models.family import Budget, Family, FamilyParams


def run(item: str) -> None:
    """Writes build/F/reference, build/F/ladder and build/F/candidate."""
    family, settings, build = by_name(item), load_settings(), Path("build") / item
    collection, params = load_params(Path("params.yaml"), family)
    samples = SampleSet(build / "set")
    network = trained(family, samples, params, build / "train")
    reference(family, network, samples, params.compress, build / "reference", read_asset)
    params = judged_here(params, settings.budget.machine)
    shelves = settings.state / "rungs" / item
    # Another budget picks among the same rungs, and a rung is called after what it alone was made by.
    shelf = shelves / stage_key(Path(), "compress", item, without=(f"{item}.budget", f"{item}.compress"))[:16]
    shelf.mkdir(parents=True, exist_ok=True)
    os.utime(shelf)
    clean = SampleSet(Path("build/clean") / collection)
    # On one device: of several, each would run this whole stage once more.
    devices = Devices(accelerator=settings.training.accelerator, threads=settings.training.threads)
    climb = Climb(family, params, samples, clean, read_asset, shelf, devices)
    ladder = climb.ladder(network)
    ladder.write(build / "ladder", params.budget)
    pick = climb.install(ladder, build / "candidate", build / "ladder" / "source")
    tell(ladder, pick, params.budget)
    tidy(shelves)
    forget_checkpoints(item)


def judged_here(params: FamilyParams, machine: str) -> FamilyParams:
    """The params with what of the budget can be judged here: milliseconds only on the machine that settings name."""
    if not machine or machine == processor() or params.budget.max_latency_ms is None:
        return params
    sys.stdout.write(f"milliseconds are not judged: settings mean those of {machine}, and this is {processor()}\n")
    return params.model_copy(update={"budget": params.budget.model_copy(update={"max_latency_ms": None})})


def tell(ladder: Ladder, pick: Rung, budget: Budget) -> None:
    """A line a rung, for the stage's log: what it has, and what it misses of the budget."""
    for rung in ladder.rungs:
        sys.stdout.write(f"{'-> ' if rung == pick else '   '}{ladder.said_of(rung, budget)}\n")
    for network, why in ladder.failed.items():
        sys.stdout.write(f"   {network}: left out, {why}\n")
    if pick.is_float:
        sys.stdout.write(FLOAT_WINS + "\n")


def forget_checkpoints(item: str) -> None:
    """Removes what train kept for being resumed: its out is stored by now."""
    summary = json.loads((Path("build") / item / "train" / "summary.json").read_text(encoding="utf-8"))
    shutil.rmtree(load_settings().state / "checkpoints" / item / summary["key"][:16], ignore_errors=True)


def trained(family: Family, samples: SampleSet, params: FamilyParams, folder: Path) -> torch.nn.Module:
    """The family's network with the weights of a train stage.

    Raises:
        NotFiniteError: They hold NaN or infinity.
    """
    network = family.network(family.module(samples.info, params.train))
    state = load_file(folder / "weights.safetensors")
    if found := not_finite_weight(state):
        what = f"{folder / 'weights.safetensors'}: {found}"
        raise NotFiniteError(what, f"remove {folder} and run again: it is trained once more")
    network.load_state_dict(state)
    return network.eval()
