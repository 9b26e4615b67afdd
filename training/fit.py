"""Fits a family's module to its set with Lightning: devices, precision, checkpoints, resuming, early stopping."""

from __future__ import annotations

import logging
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import (
    Callback,
    EarlyStopping,
    TQDMProgressBar,
    WeightAveraging,
)

from models.family import EarlyStopParams
from training.checkpoints import ROWS, SealedCheckpointIO, kept_checkpoints, read, resume_point
from training.divergence import DivergedError, not_finite_weight
from training.pace import Pace
from training.progress import Progress
from training.stop_diverged import StopWhenDiverged
from training.time_left import left

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping, Sequence

    from pytorch_lightning.loggers import Logger
    from pytorch_lightning.strategies import DDPStrategy

    from curation.store.sample_set import SampleSet
    from models.family import Family, FitParams, Monitor

LOG_EVERY = 50


@dataclass(frozen=True)
class Devices:
    """Devices for training; from settings, never from params. `threads` 0 means all cores."""

    accelerator: str = "auto"
    devices: int = 1
    strategy: str = "auto"
    threads: int = 0


@dataclass(frozen=True)
class Fitted:
    """Trained module with its best weights, and the course of the training: one row per epoch in `history`."""

    module: LightningModule
    history: list[dict[str, float]]
    best_epoch: int
    stopped_early: bool
    resumed_at: int = 0
    is_first: bool = field(default=True)  # True in the process that writes, if there are several


class History(Callback):
    """History of figures, one row per epoch; part of the checkpoint, so a resumed run has the earlier rows.

    Args:
        title: Title of the training in the lines of the stage's log; empty for a family's own network.
    """

    def __init__(self, title: str = "") -> None:
        self.rows: list[dict[str, float]] = []
        self._losses: list[torch.Tensor] = []
        self._title, self._began_s, self._first = title, time.monotonic(), 0

    @property
    def state_key(self) -> str:
        """Key of the state in a checkpoint, independent of the title: checkpoints are searched for it."""
        return ROWS

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Records the start time, from which the remaining time is computed."""
        del pl_module
        self._began_s, self._first = time.monotonic(), trainer.current_epoch

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,  # noqa: ANN401  # Lightning's own
        batch: object,
        batch_idx: int,
    ) -> None:
        """Keeps the loss on its device; the figure of a single batch would be too noisy for a curve."""
        del trainer, pl_module, batch, batch_idx
        self._losses.append(outputs["loss"].detach())

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Records the figures of the epoch; validation has already run."""
        del pl_module
        figures = {name: float(value) for name, value in trainer.callback_metrics.items()}
        figures["train/loss"] = float(torch.stack(self._losses).mean())
        self._losses.clear()
        rate = trainer.optimizers[0].param_groups[0]["lr"]
        self.rows.append({"epoch": trainer.current_epoch, "step": trainer.global_step, "lr": rate, **figures})
        if trainer.is_global_zero:  # the log of a run is for the person who is paged
            sys.stdout.write(self._line(trainer.current_epoch + 1, int(trainer.max_epochs or 0), figures))
            sys.stdout.flush()

    def _line(self, epoch: int, epochs: int, figures: Mapping[str, float]) -> str:
        shown = "  ".join(f"{name} {value:.4f}" for name, value in figures.items())
        rest = left(epoch - self._first, epochs - self._first, time.monotonic() - self._began_s)
        return f"{self._title}epoch {epoch} of {epochs}  {shown}  {rest}".rstrip() + "\n"

    def state_dict(self) -> dict[str, Any]:
        """State for the checkpoint."""
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restores the state from the checkpoint."""
        self.rows[:] = state_dict["rows"]  # in place, because other objects refer to the same list


def precision_for(
    wanted: Literal["auto", "32-true", "bf16-mixed"], accelerator: str
) -> Literal["32-true", "bf16-mixed"]:
    """Precision that `auto` selects on this machine: bf16 if the hardware multiplies matrices in bf16.

    For CPUs this means AMX. AVX-512's bf16 alone made a step a third slower than float32 (measured).
    """
    if wanted != "auto":
        return wanted
    if accelerator != "cpu" and torch.cuda.is_available():
        return "bf16-mixed" if torch.cuda.is_bf16_supported() else "32-true"
    return "bf16-mixed" if torch.cpu._is_amx_tile_supported() else "32-true"  # noqa: SLF001  # no public name


def fit(
    family: Family,
    params: FitParams,
    samples: SampleSet,
    checkpoints: Path,
    *,
    devices: Devices = Devices(),  # frozen
    loggers: Sequence[Logger] = (),
    callbacks: Sequence[Callback] = (),
    prepare: Callable[[LightningModule], None] = lambda _: None,
    rate_param: str = "",
    title: str = "",
) -> Fitted:
    """Trains until all epochs are done or the monitored figure stops improving; resumes from the last checkpoint.

    Args:
        family: The family to train.
        params: The `train` section of the family's params.
        samples: The packed set of train and validation.
        checkpoints: Folder of this run's checkpoints; a run with other data, params or code has another folder.
        devices: Devices for training.
        loggers: Loggers of the figures; only the first process uses them.
        callbacks: Additional callbacks.
        prepare: Called first with the new module, such as to give it a teacher.
        rate_param: Param that decides the learning rate, as spelled in params.yaml; by default
            FAMILY.train.learning_rate.
        title: Title of the training, before each line in the log.

    Returns:
        The module with the weights of the best epoch.

    Raises:
        DivergedError: A loss, a figure or a weight became NaN or infinite.
        DamagedCheckpointError: The weights of the best epoch were damaged during training.
    """
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)  # hides its tips and device lists
    if devices.threads:
        torch.set_num_threads(devices.threads)
    torch.manual_seed(params.seed)
    module = family.module(samples.info, params)
    prepare(module)
    history = History(title)
    blamed = (
        rate_param or f"{family.name}.train.learning_rate",
        params.learning_rate,
        precision_for(params.precision, devices.accelerator),
    )
    guard = StopWhenDiverged(history.rows, *blamed)
    best, *kept = kept_checkpoints(checkpoints, family.monitor.name, family.monitor.mode)
    # Placed before the averaging, which swaps its weights in at the start of validation and out at its end.
    watch = [Progress(family.progress, checkpoints)] if family.progress else []
    trainer = _trainer(
        params,
        devices,
        loggers,
        [
            Pace(),
            history,
            guard,
            _stop(family.monitor, params),
            *watch,
            *averaging(params),
            best,
            *kept,
            *callbacks,
        ],
        by_hand=not module.automatic_optimization,
    )
    resume, resumed_at = resume_point(checkpoints, module, lambda rows: _best_epoch(rows, family.monitor))
    trainer.fit(module, family.data(samples, params), ckpt_path=resume, weights_only=True)
    best_epoch = load_best(module, best.best_model_path)
    if figure := not_finite_weight(module.state_dict()):
        raise DivergedError(figure, best_epoch, *blamed)
    return Fitted(
        module,
        history.rows,
        best_epoch,
        trainer.current_epoch < params.epochs,
        resumed_at,
        trainer.is_global_zero,
    )


def _stop(monitor: Monitor, params: FitParams) -> EarlyStopping:
    """Early stopping; never stops if the last epoch counts as the best or the params have no patience."""
    if monitor.mode == "last" or not isinstance(params, EarlyStopParams):
        return EarlyStopping(monitor.name, patience=sys.maxsize)
    return EarlyStopping(monitor.name, patience=params.patience, mode=monitor.mode)


def _trainer(
    params: FitParams,
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
        plugins=[SealedCheckpointIO()],
        callbacks=[*callbacks, *bar],
        log_every_n_steps=LOG_EVERY,
        num_sanity_val_steps=0,
        enable_progress_bar=bool(bar),
        enable_model_summary=False,
        use_distributed_sampler=False,
    )


def _strategy(devices: Devices, *, by_hand: bool) -> str | DDPStrategy:
    if devices.strategy == "auto" and devices.devices == 1:
        return "auto"
    from pytorch_lightning.strategies import DDPStrategy  # noqa: PLC0415  # only where it is used

    backend = "nccl" if devices.accelerator != "cpu" and torch.cuda.is_available() else "gloo"
    # Networks trained in turns, with manual optimisation, have gradients in turns: do not wait for the other network's.
    return DDPStrategy(process_group_backend=backend, find_unused_parameters=by_hand)


def averaging(params: FitParams) -> list[Callback]:
    """Moving average of the weights with a lower decay at first, so that a short run does not end near its start."""
    decay = params.ema_decay

    def average(kept: torch.Tensor, new: torch.Tensor, count: torch.Tensor | int) -> torch.Tensor:
        if not new.is_floating_point():  # a counter
            return new
        return torch.lerp(new, kept, min(decay, (1 + int(count)) / (10 + int(count))))

    return [WeightAveraging(avg_fn=average)] if decay > 0 else []


def load_best(module: LightningModule, path: str | os.PathLike[str]) -> int:
    """Loads the weights of the best epoch into the module, and returns that epoch, counted from 0.

    Raises:
        DamagedCheckpointError: The checkpoint does not match its checksum.
    """
    checkpoint = read(Path(path))
    module.load_state_dict(checkpoint["state_dict"])
    module.eval()
    return int(checkpoint["epoch"])


def _best_epoch(history: Sequence[dict[str, float]], monitor: Monitor) -> int:
    if not history:
        return 0
    if monitor.mode == "last":
        return int(history[-1]["epoch"])
    best = max if monitor.mode == "max" else min
    return int(best(history, key=lambda row: row[monitor.name])["epoch"])
