"""Speed of each process of a distributed training: samples per second, the wait for data, use of the processor."""

from __future__ import annotations

import math
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import torch
from pytorch_lightning.callbacks import Callback

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytorch_lightning import LightningModule, Trainer

FIGURES = ("samples_per_s", "data_wait", "utilisation")


class Throughput(Callback):
    """Logs, per epoch and process, `process/RANK/FIGURE`; only the first process writes.

    `samples_per_s`: samples of this process per second of training. `data_wait`: share of that time spent on waiting
    for the next batch. `utilisation`: processor time per second and thread; of a GPU NVML's, if
    `nvidia-ml-py` is installed.

    Args:
        batch_size: Samples of a global batch.
        clock: Returns the time in seconds.
        used: Returns the processor time of this process in seconds.
    """

    def __init__(
        self,
        batch_size: int,
        clock: Callable[[], float] = time.monotonic,
        used: Callable[[], float] = time.process_time,
    ) -> None:
        self._batch_size, self._clock, self._used = batch_size, clock, used
        self._steps, self._waited_s, self._began_s, self._used_s, self._ended_s = 0, 0.0, 0.0, 0.0, 0.0

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Starts the clocks."""
        del trainer, pl_module
        self._steps, self._waited_s = 0, 0.0
        self._began_s = self._ended_s = self._clock()
        self._used_s = self._used()

    def on_train_batch_start(self, *_given: object) -> None:
        """Adds the wait for this batch."""
        self._waited_s += self._clock() - self._ended_s

    def on_train_batch_end(self, *_given: object) -> None:
        """Counts the step."""
        self._steps += 1
        self._ended_s = self._clock()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Gathers the figures of all processes, and logs them."""
        spent_s = max(self._ended_s - self._began_s, 1e-9)
        samples = self._steps * self._batch_size / trainer.world_size
        own = torch.tensor(
            [samples / spent_s, self._waited_s / spent_s, self._utilisation(pl_module.device, spent_s)],
            device=pl_module.device,
        )
        every = trainer.strategy.all_gather(own).reshape(-1, len(FIGURES)).tolist()
        figures = {
            f"process/{rank}/{name}": value
            for rank, values in enumerate(every)
            for name, value in zip(FIGURES, values, strict=True)
            if not math.isnan(value)
        }
        for logger in trainer.loggers:
            logger.log_metrics(figures, trainer.global_step)

    def _utilisation(self, device: torch.device, spent_s: float) -> float:
        if device.type == "cuda":
            # NVML or its package `nvidia-ml-py` may be missing: no reason to end a training.
            with suppress(ModuleNotFoundError, RuntimeError):
                return torch.cuda.utilization(device) / 100.0
            return math.nan
        return (self._used() - self._used_s) / spent_s / torch.get_num_threads()
