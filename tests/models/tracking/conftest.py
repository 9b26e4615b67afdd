"""A small clean set of made-up takes, what is learned from it, and a network that has learned some of it."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from compression.search.candidate import compress, reference, seal
from models.tracking.data import ShuffledTakes
from models.tracking.definition import family, module
from models.tracking.encode import encode, takes_of
from models.tracking.params import AugmentParams, CompressParams
from rushes.bundle.manifest import read_bundle
from tests.support.tracked_takes import SMALL, made_up_takes, read_geometry

COMPONENTS, STEPS = 48, 150


@pytest.fixture(scope="session")
def clean(tmp_path_factory):
    """The clean set; not to be changed."""
    return made_up_takes(tmp_path_factory.mktemp("takes") / "clean")


@pytest.fixture(scope="session")
def samples(clean, tmp_path_factory):
    """The training set; not to be changed."""
    return encode(clean, AugmentParams(components=COMPONENTS), tmp_path_factory.mktemp("takes") / "set", read_geometry)


@pytest.fixture(scope="session")
def trained(samples):
    """A module after some plain steps; not to be changed."""
    learner = module(samples.info, SMALL)
    optimiser = torch.optim.AdamW(learner.parameters(), lr=1e-2)
    batches = ShuffledTakes(takes_of(samples, "train"), 6, 40, 0)
    for _ in range(STEPS):
        for batch in batches:
            optimiser.zero_grad()
            learner.model_step(batch.inputs_nti, batch.targets_ntc)[0].backward()
            optimiser.step()
    return learner.eval()


@pytest.fixture(scope="session")
def bundles(samples, trained, tmp_path_factory):
    """The float graph of that module, and its int8 one."""
    folder = tmp_path_factory.mktemp("bundles")
    alone, params = replace(family, assets=()), CompressParams(calibration_samples=64)
    graphs = reference(alone, trained.network, samples, params, folder / "reference", read_geometry)
    compress(alone, samples, params, graphs, folder / "reference", folder / "candidate")
    seal(alone, samples, graphs, read_geometry, folder / "candidate")
    return read_bundle(folder / "reference"), read_bundle(folder / "candidate")
