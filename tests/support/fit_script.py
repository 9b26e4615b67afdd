"""Fits in a process of its own: SET PARAMS OUT [SLOW_EPOCH] [PROCESSES] [FAMILY].

Used by tests/training.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from pytorch_lightning import Callback

from curation.store.sample_set import SampleSet
from models.families import by_name
from training.fit import Devices, fit


class Watch(Callback):
    """Reports progress; keeps the gradients of each step, as averaged over processes."""

    def __init__(self, announce: int) -> None:
        self.announce = announce
        self.gradients: list[dict[str, torch.Tensor]] = []

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx) -> None:
        """Waits in the epoch of the kill; the test kills the process once the line is printed."""
        if trainer.current_epoch == self.announce and batch_idx == 1:
            print(f"in epoch {self.announce}", flush=True)
            sys.stdin.read()

    def on_before_optimizer_step(self, trainer, pl_module, optimizer) -> None:
        """DDP has averaged by now."""
        named = pl_module.named_parameters()
        self.gradients.append({name: value.grad.clone() for name, value in named if value.grad is not None})


def main() -> None:
    """Fits and writes."""
    family = by_name(sys.argv[6] if len(sys.argv) > 6 else "expression")
    params = family.params.model_validate({"train": json.loads(sys.argv[2])}).train
    folder, out = Path(sys.argv[1]), Path(sys.argv[3])
    watch = Watch(int(sys.argv[4]) if len(sys.argv) > 4 else -1)
    devices = Devices("cpu", int(sys.argv[5]) if len(sys.argv) > 5 else 1, "ddp" if len(sys.argv) > 5 else "auto", 1)
    if devices.devices == 1:
        devices = Devices("cpu", 1, "auto", 1)
    fitted = fit(family, params, SampleSet(folder), out / "ck", devices=devices, callbacks=[watch])
    if fitted.is_first:
        out.mkdir(parents=True, exist_ok=True)
        torch.save(fitted.module.network.state_dict(), out / "weights.pt")
        torch.save(watch.gradients, out / "gradients.pt")
        with (out / "writers.txt").open("a") as writers:
            print(fitted.module.trainer.global_rank, file=writers)


if __name__ == "__main__":
    main()
