"""Trained weights to the smallest files that still hold: the float reference, and the compressed candidate."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors.torch import load_file

from compression.candidate import compress, reference, seal
from curation.sampleset import SampleSet
from models.families import by_name
from models.load import load_params
from registry.assets import read_asset
from registry.settings import load_settings

if TYPE_CHECKING:
    import torch

    from models.family import Family, FamilyParams


def run(item: str) -> None:
    """Writes build/F/reference and build/F/candidate."""
    family = by_name(item)
    params = load_params(Path("params.yaml"), family)[1]
    samples = SampleSet(Path("build") / item / "set")
    network = trained(family, samples, params, Path("build") / item / "train")
    source, target = Path("build") / item / "reference", Path("build") / item / "candidate"
    graphs = reference(family, network, samples, params.compress, source, read_asset)
    compress(family, samples, params.compress, graphs, source, target)
    seal(family, samples, graphs, read_asset, target)
    forget_checkpoints(item)


def forget_checkpoints(item: str) -> None:
    """Removes what train kept for being resumed: its out is stored by now."""
    summary = json.loads((Path("build") / item / "train" / "summary.json").read_text(encoding="utf-8"))
    shutil.rmtree(load_settings().state / "checkpoints" / item / summary["key"][:16], ignore_errors=True)


def trained(family: Family, samples: SampleSet, params: FamilyParams, folder: Path) -> torch.nn.Module:
    """The family's network with the weights of a train stage."""
    network = family.network(family.module(samples.info, params.train))
    network.load_state_dict(load_file(folder / "weights.safetensors"))
    return network.eval()
