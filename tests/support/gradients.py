"""Gradients of the first epoch of each family, as averaged over all processes."""

from __future__ import annotations

import json
import os
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from pytorch_lightning import Callback

from common.settings import TrainingSettings
from curation.store.sample_set import SampleSet
from models.families import by_name
from tests.support.repos import ROOT
from training.engines.ray import driver
from training.engines.torchrun import launched
from training.fit import Devices, Fitted, fit
from training.sharding import gathered

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Gradients(Callback):
    """Keeps the gradients of each step."""

    def __init__(self) -> None:
        self.steps: list[dict[str, torch.Tensor]] = []

    def on_before_optimizer_step(self, trainer, pl_module, optimizer) -> None:
        """The processes have been averaged by now."""
        named = pl_module.named_parameters()
        self.steps.append(gathered({name: value.grad.clone() for name, value in named if value.grad is not None}))


def train_all(jobs: Sequence[tuple[str, str, Mapping[str, object]]], out: str, devices: Devices) -> Fitted:
    """Trains each family of (family, set, params) in one process; the first process writes OUT/FAMILY.pt."""
    torch.set_num_threads(1)
    for name, folder, params in jobs:
        family, watch = by_name(name), Gradients()
        train_params = family.params.model_validate({"train": params}).train
        checkpoints = Path(out) / name
        fitted = fit(family, train_params, SampleSet(Path(folder)), checkpoints, devices=devices, callbacks=[watch])
        if fitted.is_first:
            torch.save(watch.steps, Path(out) / f"{name}.pt")
    return fitted


def main() -> None:
    """JOBS OUT [ADDRESS]: in this process, in those of torchrun, or on the Ray cluster at an address."""
    jobs, out = json.loads(sys.argv[1]), sys.argv[2]
    if len(sys.argv) > 3:
        training = TrainingSettings(engine="ray", workers=2, storage=out, address=sys.argv[3])
        driver.run(partial(train_all, jobs, out), training, "gradients", [2], ROOT)
        return
    each, nodes = launched(os.environ) or (1, 1)
    train_all(jobs, out, Devices("cpu", each, "ddp" if each > 1 else "auto", 1, nodes))


if __name__ == "__main__":
    from tests.support import gradients  # by its name, under which the nodes know it

    gradients.main()
