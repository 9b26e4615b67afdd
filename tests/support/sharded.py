"""Trainings with ddp and fsdp, whole ones and ones that break off with one strategy and resume with the other.

JOBS OUT: in the processes of torchrun; the first one writes OUT/FAMILY-RUN.pt.
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from pathlib import Path

import torch
from pytorch_lightning import Callback
from pytorch_lightning.callbacks import WeightAveraging

from curation.store.sample_set import SampleSet
from models.families import by_name
from tests.support.gradients import Gradients
from training.engines.torchrun import launched
from training.fit import Devices, fit

RUNS = {"ddp": ["ddp"], "fsdp": ["fsdp"], "to-ddp": ["fsdp", "ddp"], "to-fsdp": ["ddp", "fsdp"]}


class StoppedError(Exception):
    """Represents the end of a process in mid-epoch."""


class Stop(Callback):
    """Ends a training in its second epoch."""

    def on_train_batch_end(self, trainer, *given) -> None:
        """After a step."""
        if trainer.current_epoch == 1:
            raise StoppedError


class Kept(Callback):
    """Counts the numbers that this process keeps: of the weights, their average and the moments."""

    def on_train_end(self, trainer, pl_module) -> None:
        """After all steps."""
        average = next(one for one in trainer.callbacks if isinstance(one, WeightAveraging))._average_model
        moments = [one for state in trainer.optimizers[0].state.values() for one in state.values()]
        kept = (pl_module.parameters(), average.parameters(), (one for one in moments if isinstance(one, torch.Tensor)))
        self.counts = [sum(getattr(one, "_local_tensor", one).numel() for one in tensors) for tensors in kept]


def main() -> None:
    """Trains; the rows and gradients of a run are those since it was resumed."""
    jobs, out = json.loads(sys.argv[1]), Path(sys.argv[2])
    each, nodes = launched(os.environ)
    torch.set_num_threads(1)
    for (name, folder, given), (run, strategies) in ((job, run) for job in jobs for run in RUNS.items()):
        family = by_name(name)
        params = family.params.model_validate({"train": given}).train
        for strategy in strategies:
            watch, kept, last = Gradients(), Kept(), strategy == strategies[-1]
            devices = Devices("cpu", each, strategy, 1, nodes)
            with suppress(StoppedError):
                fitted = fit(
                    family,
                    params,
                    SampleSet(Path(folder)),
                    out / f"{name}-{run}",
                    devices=devices,
                    callbacks=[watch, kept] if last else [Stop()],
                )
        if fitted.is_first:
            found = {"steps": watch.steps, "kept": kept.counts, "weights": fitted.module.state_dict()}
            found |= {"resumed": fitted.resumed_at, "figures": fitted.history[-1]}
            torch.save(found, out / f"{name}-{run}.pt")


if __name__ == "__main__":
    main()
