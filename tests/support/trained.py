"""A small expression network that has learned the patterns of tests.support.sets, trained once per session."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from models.expression.definition import module
from models.expression.params import TrainParams

if TYPE_CHECKING:
    from curation.store.sample_set import SampleSet

PARAMS = TrainParams(widths=(16, 32), depths=(1, 1), dropout=0.0, precision="32-true")


def quickly_trained(samples: SampleSet, steps: int = 60) -> torch.nn.Module:
    """A network after a few plain steps, enough for its outputs to differ between samples."""
    return _trained(str(samples.folder), samples, steps)


@cache
def _trained(_folder: str, samples: SampleSet, steps: int) -> torch.nn.Module:
    torch.manual_seed(0)
    learner = module(samples.info, PARAMS)
    optimiser = torch.optim.SGD(learner.parameters(), lr=0.05, momentum=0.9)
    pictures_nhwc = torch.from_numpy(samples.array("train").copy())
    targets_nl = torch.from_numpy(samples.targets("train"))
    for step in range(steps):
        rows = torch.arange(step * 32, step * 32 + 32) * 7 % len(pictures_nhwc)
        loss = functional.cross_entropy(learner(pictures_nhwc[rows]), targets_nl[rows])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return learner.network.eval()
