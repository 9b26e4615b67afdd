"""Fits a family's module to its set with Lightning: devices, precision, checkpoints, resume, early stop."""

from __future__ import annotations

import logging
import math
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import torch
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import (
    Callback,
    EarlyStopping,
    ModelCheckpoint,
    TQDMProgressBar,
    WeightAveraging,
)

from training.progress import Progress

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from pytorch_lightning.loggers import Logger

    from curation.sampleset import SampleSet
    from models.family import Family, Monitor

LAST = "last.ckpt"
LOG_EVERY = 50


@dataclass(frozen=True)
class Devices:
    """Where training runs; from settings, never from params. `threads` 0 means all cores."""

    accelerator: str = "auto"
    devices: int = 1
    strategy: str = "auto"
    threads: int = 0


@dataclass(frozen=True)
class Fitted:
    """A trained module holding its best weights, and how it got there: one row an epoch in `history`."""

    module: LightningModule
    history: list[dict[str, float]]
    best_epoch: int
    stopped_early: bool
    resumed_at: int = 0
    is_first: bool = field(default=True)  # of several processes, the one that writes


class DivergedError(ValueError):
    """A training has ended in numbers that are none; nothing that comes after it could be used."""

    def __init__(self, figure: str, epoch: int) -> None:
        super().__init__(f"training diverged: {figure} is no number any more in epoch {epoch + 1}")
        self.remedy = "lower train.learning_rate of this family in params.yaml, or train in 32-true"


class History(Callback):
    """One row an epoch; travels in the checkpoint, so a resumed run has the rows from before."""

    def __init__(self) -> None:
        self.rows: list[dict[str, float]] = []
        self._losses: list[torch.Tensor] = []

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,  # noqa: ANN401  # Lightning's own
        batch: Any,  # noqa: ANN401  # each family has its own
        batch_idx: int,
    ) -> None:
        """Keeps the loss where it lies; a figure of one batch would be too noisy for a curve."""
        del trainer, pl_module, batch, batch_idx
        self._losses.append(outputs["loss"].detach())

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Takes the epoch's figures; validation has run by now."""
        del pl_module
        figures = {name: float(value) for name, value in trainer.callback_metrics.items()}
        figures["train/loss"] = float(torch.stack(self._losses).mean())
        self._losses.clear()
        rate = trainer.optimizers[0].param_groups[0]["lr"]
        self.rows.append({"epoch": trainer.current_epoch, "step": trainer.global_step, "lr": rate, **figures})
        if trainer.is_global_zero:  # a night's log is read by whoever is paged
            told = "  ".join(f"{name} {value:.4f}" for name, value in figures.items())
            sys.stdout.write(f"epoch {trainer.current_epoch + 1} of {trainer.max_epochs}  {told}\n")
            sys.stdout.flush()

    def state_dict(self) -> dict[str, Any]:
        """For the checkpoint."""
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """From the checkpoint."""
        self.rows = list(state_dict["rows"])


def precision_for(
    wanted: Literal["auto", "32-true", "bf16-mixed"], accelerator: str
) -> Literal["32-true", "bf16-mixed"]:
    """The precision that `auto` stands for on this machine: bf16 where the hardware multiplies matrices in it.

    Of processors that is AMX. AVX-512's bf16 alone made a step a third slower than float32 (measured).
    """
    if wanted != "auto":
        return wanted
    if accelerator != "cpu" and torch.cuda.is_available():
        return "bf16-mixed" if torch.cuda.is_bf16_supported() else "32-true"
    return "bf16-mixed" if torch.cpu._is_amx_tile_supported() else "32-true"  # noqa: SLF001  # no public name


def fit(
    family: Family,
    params: Any,  # noqa: ANN401  # each family has its own
    samples: SampleSet,
    checkpoints: Path,
    *,
    devices: Devices = Devices(),  # frozen
    loggers: Sequence[Logger] = (),
    callbacks: Sequence[Callback] = (),
    prepare: Callable[[LightningModule], None] = lambda _: None,
) -> Fitted:
    """Trains until done or no better, from the last checkpoint where there is one.

    Args:
        family: What to train.
        params: The `train` section of the family's params.
        samples: The packed set of train and validation.
        checkpoints: Where this run's checkpoints lie; a run with other data, params or code has another folder.
        devices: Where it runs.
        loggers: Where figures go; only the first process uses them.
        callbacks: What else looks on.
        prepare: What is done with the new module first, such as giving it a teacher.

    Returns:
        The module with the weights of the best epoch.

    Raises:
        DivergedError: The figure that the family watches is no number any more.
    """
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)  # its tips and device lists are not for a night
    if devices.threads:
        torch.set_num_threads(devices.threads)
    torch.manual_seed(params.seed)
    module = family.module(samples.info, params)
    prepare(module)
    history = History()
    best, stop = _keeping(family.monitor, params, checkpoints)
    # Before the averaging, which puts its weights in at the start of validation and takes them out at its end.
    watch = [Progress(family.progress, checkpoints)] if family.progress else []
    trainer = _trainer(
        params,
        devices,
        loggers,
        [history, stop, *watch, *averaging(params), best, *callbacks],
        by_hand=not module.automatic_optimization,
    )
    resume = checkpoints / LAST
    resumed_at = _epoch_of(resume)
    trainer.fit(module, family.data(samples, params), ckpt_path=resume if resume.is_file() else None, weights_only=True)
    if history.rows and not math.isfinite(history.rows[-1][family.monitor.name]):
        raise DivergedError(family.monitor.name, int(history.rows[-1]["epoch"]))
    load_best(module, best.best_model_path)
    return Fitted(
        module,
        history.rows,
        _best_epoch(history.rows, family.monitor),
        trainer.current_epoch < params.epochs,
        resumed_at,
        trainer.is_global_zero,
    )


def _keeping(monitor: Monitor, params: Any, checkpoints: Path) -> tuple[ModelCheckpoint, EarlyStopping]:  # noqa: ANN401  # each family has its own
    """What keeps an epoch's weights, and what ends a training: early, or where the figure is no number any more."""
    if monitor.mode == "last":
        kept = ModelCheckpoint(checkpoints, "best", save_last=True, enable_version_counter=False)
        return kept, EarlyStopping(monitor.name, patience=sys.maxsize)
    kept = ModelCheckpoint(
        checkpoints, "best", monitor=monitor.name, mode=monitor.mode, save_last=True, enable_version_counter=False
    )
    return kept, EarlyStopping(monitor.name, patience=params.patience, mode=monitor.mode)


def _trainer(
    params: Any,  # noqa: ANN401  # each family has its own
    devices: Devices,
    loggers: Sequence[Logger],
    callbacks: list[Callback],
    *,
    by_hand: bool,
) -> Trainer:
    bar = [TQDMProgressBar(refresh_rate=5)] if sys.stderr.isatty() else []
    return Trainer(
        accelerator=devices.accelerator,
        devices=devices.devices,
        strategy=_strategy(devices, by_hand=by_hand),
        precision=precision_for(params.precision, devices.accelerator),
        max_epochs=params.epochs,
        logger=list(loggers),
        callbacks=[*callbacks, *bar],
        log_every_n_steps=LOG_EVERY,
        num_sanity_val_steps=0,
        enable_progress_bar=bool(bar),
        enable_model_summary=False,
        use_distributed_sampler=False,
    )


def _strategy(devices: Devices, *, by_hand: bool) -> Any:  # noqa: ANN401  # Lightning takes a name or an object
    if devices.strategy == "auto" and devices.devices == 1:
        return "auto"
    from pytorch_lightning.strategies import DDPStrategy  # noqa: PLC0415  # only where it is used

    backend = "nccl" if devices.accelerator != "cpu" and torch.cuda.is_available() else "gloo"
    # Networks that are trained in turns, by hand, have gradients in turns: those of the other are not waited for.
    return DDPStrategy(process_group_backend=backend, find_unused_parameters=by_hand)


def averaging(params: Any) -> list[Callback]:  # noqa: ANN401  # each family has its own
    """A moving average of the weights that follows quickly at first: a short run must not end near its start."""
    decay = getattr(params, "ema_decay", 0.0)

    def average(kept: torch.Tensor, new: torch.Tensor, count: torch.Tensor | int) -> torch.Tensor:
        if not new.is_floating_point():  # a counter
            return new
        return torch.lerp(new, kept, min(decay, (1 + int(count)) / (10 + int(count))))

    return [WeightAveraging(avg_fn=average)] if decay > 0 else []


def load_best(module: LightningModule, path: str | os.PathLike[str]) -> None:
    """Puts the weights of the best epoch into the module; state dicts alone, nothing is unpickled."""
    module.load_state_dict(torch.load(path, map_location="cpu", weights_only=True)["state_dict"])
    module.eval()


def _epoch_of(checkpoint: Path) -> int:
    if not checkpoint.is_file():
        return 0
    return int(torch.load(checkpoint, map_location="cpu", weights_only=True)["epoch"]) + 1


def _best_epoch(history: Sequence[dict[str, float]], monitor: Monitor) -> int:
    if not history:
        return 0
    if monitor.mode == "last":
        return int(history[-1]["epoch"])
    best = max if monitor.mode == "max" else min
    return int(best(history, key=lambda row: row[monitor.name])["epoch"])
