"""Stage compress: trained weights to the float reference, the result of the compression search, and its pick."""

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
from compression.search.search import CompressionSearch, tidy
from curation.store.sample_set import SampleSet
from models.components.load import load_params, params_for
from models.families import by_name
from registry.assets import read_asset
from registry.dvc.stage_key import stage_key
from rushes.inference.cpu import processor
from training.fit import Devices
from training.gpu.profile import keep_compiled
from training.monitoring.divergence import NotFiniteError, not_finite_weight
from training.storage import StorageError, checkpoint_folder, remove_folder

if TYPE_CHECKING:
    import torch

    from compression.search.candidates import MeasuredCandidate, SearchResult
    from models.family import BudgetParams, Family, FamilyParams


def run(item: str) -> None:
    """Writes build/F/reference, build/F/search and build/F/candidate."""
    family, settings, build = by_name(item), load_settings(), Path("build") / item
    collection, params = load_params(Path("params.yaml"), family)
    samples = SampleSet(build / "set")
    params = params_for(samples, params)
    network = trained(family, samples, params, build / "train")
    reference(family, network, samples, params.compress, build / "reference", read_asset)
    params = judged_here(params, settings.budget.processor)
    caches = settings.state / "candidates" / item
    # Another budget picks among the same candidates, and a candidate's folder is named after its own params.
    cache = caches / stage_key(Path(), "compress", item, without=(f"{item}.budget", f"{item}.compress"))[:16]
    cache.mkdir(parents=True, exist_ok=True)
    os.utime(cache)
    clean = SampleSet(Path("build/clean") / collection)
    # On one device: of several, each would run this whole stage once more.
    where = settings.training
    devices = Devices(accelerator=where.accelerator, threads=where.threads, gpu=where.gpu)
    keep_compiled(settings.state / "inductor")
    search = CompressionSearch(family, params, samples, clean, read_asset, cache, devices)
    result = search.run(network)
    result.write(build / "search", params.budget)
    pick = search.install(result, build / "candidate", build / "search" / "source")
    report(result, pick, params.budget)
    tidy(caches)
    remove_earlier_cache(settings.state, item)
    forget_checkpoints(item)


def judged_here(params: FamilyParams, machine: str) -> FamilyParams:
    """The params with the part of the budget that applies here: milliseconds only on the machine in settings."""
    if not machine or machine == processor() or params.budget.max_latency_ms is None:
        return params
    sys.stdout.write(f"milliseconds are not judged: settings mean those of {machine}, and this is {processor()}\n")
    return params.model_copy(update={"budget": params.budget.model_copy(update={"max_latency_ms": None})})


def report(result: SearchResult, pick: MeasuredCandidate, budget: BudgetParams) -> None:
    """Writes a line for each candidate to the stage's log: its figures, and the limits that it misses."""
    for candidate in result.candidates:
        sys.stdout.write(f"{'-> ' if candidate == pick else '   '}{result.describe(candidate, budget)}\n")
    for network, why in result.failed.items():
        sys.stdout.write(f"   {network}: left out, {why}\n")
    if pick.is_float:
        sys.stdout.write(FLOAT_WINS + "\n")


def remove_earlier_cache(state: Path, item: str) -> None:
    """Removes the cache of earlier versions: its keys depend on their code, so nothing reads it again."""
    shutil.rmtree(state / "rungs" / item, ignore_errors=True)


def forget_checkpoints(item: str) -> None:
    """Removes the checkpoints of train: its out is stored by now."""
    summary = json.loads((Path("build") / item / "train" / "summary.json").read_text(encoding="utf-8"))
    try:
        remove_folder(checkpoint_folder(load_settings(), item, summary["key"]))
    except StorageError as error:  # the model does not need them
        sys.stdout.write(f"checkpoint: those of train are left behind: {error}\n")


def trained(family: Family, samples: SampleSet, params: FamilyParams, folder: Path) -> torch.nn.Module:
    """The family's network with the weights of a train stage.

    Raises:
        NotFiniteError: They hold NaN or infinity.
    """
    network = family.network(family.module(samples.info, params.train))
    state = load_file(folder / "weights.safetensors")
    if found := not_finite_weight(state):
        what = f"{folder / 'weights.safetensors'}: {found}"
        # Removed, they would come back from DVC's cache; another param makes the stage run.
        raise NotFiniteError(what, f"lower {family.name}.train.learning_rate in params.yaml: it is then trained again")
    network.load_state_dict(state)
    return network.eval()
