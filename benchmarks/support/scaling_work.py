"""One process of `benchmarks.scaling`: a training that times its epochs, or an all-reduce."""

from __future__ import annotations

import json
import os
import statistics
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer

from benchmarks.support.command import quiet
from benchmarks.train_step import SMALL
from common.settings import TrainingSettings
from curation.store.sample_set import SampleSet
from models.expression.definition import family
from models.expression.params import TrainParams
from training.engines.ray import driver
from training.engines.torchrun import launched
from training.fit import Devices, Fitted, fit

if TYPE_CHECKING:
    import argparse

COUNTED_FROM = 1  # epoch; the first one has the start-up
LARGE_BYTES, REPEATS = 1 << 22, 20
ROOT = Path(__file__).parents[2]


class EpochClock(Callback):
    """Seconds of each epoch of training, and those of its checkpoints."""

    def __init__(self) -> None:
        self.epochs_s: list[float] = []
        self.checkpoints_s: list[float] = []
        self._began_s = 0.0

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Times the trainer's own saving, from the state to the file."""
        del pl_module
        save = trainer.save_checkpoint

        def timed(*given: Any, **named: Any) -> None:  # noqa: ANN401  # Lightning's own
            start_s = time.perf_counter()
            save(*given, **named)
            self.checkpoints_s[-1] += time.perf_counter() - start_s

        trainer.save_checkpoint = timed  # type: ignore[method-assign]  # to be measured

    def on_train_epoch_start(self, *_given: object) -> None:
        """Ends the epoch before, validation and checkpoints included."""
        self._end()
        self.checkpoints_s.append(0.0)
        self._began_s = time.perf_counter()

    def on_fit_end(self, *_given: object) -> None:
        """Ends the last epoch."""
        self._end()

    def _end(self) -> None:
        if self.checkpoints_s:
            self.epochs_s.append(time.perf_counter() - self._began_s)


def work(folder: str, out: str, epochs: int, threads: int, devices: Devices) -> Fitted:
    """Trains in one process; the first one writes its figures to OUT."""
    quiet()
    torch.set_num_threads(threads)
    clock, samples = EpochClock(), SampleSet(Path(folder))
    params = TrainParams(**SMALL | {"norm_samples": 32, "epochs": epochs, "patience": epochs, "precision": "32-true"})
    checkpoints = Path(out).with_suffix(".checkpoints")
    fitted = fit(family, params, samples, checkpoints, devices=devices, callbacks=[clock])
    if fitted.is_first:
        figures = {
            "epochs_s": clock.epochs_s[COUNTED_FROM:],
            "checkpoints_s": clock.checkpoints_s[COUNTED_FROM:],
            "samples": len(samples.array("train")) // params.batch_size * params.batch_size,
            "batch_size": params.batch_size,
            "gradient_bytes": 4 * sum(one.numel() for one in fitted.module.parameters() if one.requires_grad),
        }
        Path(out).write_text(json.dumps(figures), encoding="utf-8")
    return fitted


def measure_link(out: str) -> None:
    """Writes latency and bandwidth of an all-reduce between the processes of torchrun."""
    torch.distributed.init_process_group("gloo")
    small_s, large_s = (_all_reduce_s(torch.zeros(count)) for count in (1, LARGE_BYTES // 4))
    if torch.distributed.get_rank() == 0:
        # Of a ring of two: 2 (N-1) messages of B/N bytes each, one after the other.
        link = {"latency_s": small_s / 2, "bytes_per_s": LARGE_BYTES / max(large_s - small_s, 1e-9)}
        Path(out).write_text(json.dumps(link), encoding="utf-8")
    torch.distributed.destroy_process_group()


def _all_reduce_s(values: torch.Tensor) -> float:
    times_s = []
    for _ in range(REPEATS):
        start_s = time.perf_counter()
        torch.distributed.all_reduce(values)
        times_s.append(time.perf_counter() - start_s)
    return statistics.median(times_s)


def child(choices: argparse.Namespace) -> None:
    """One of the processes that `run` starts."""
    if choices.way == "link":
        measure_link(choices.out)
        return
    train = partial(work, choices.folder, choices.out, choices.epochs, choices.threads)
    if choices.way == "ray":
        cpus = {"CPU": float(choices.threads)}
        training = TrainingSettings(engine="ray", threads=choices.threads, resources_per_worker=cpus)
        driver.run(train, training, "scaling", [1], ROOT)
        return
    each, nodes = launched(os.environ) or (1, 1)
    train(Devices("cpu", each, "ddp" if each > 1 else "auto", choices.threads, nodes))
