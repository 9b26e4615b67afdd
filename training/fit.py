"""Fits a family's module to its set with Lightning: devices, precision, checkpoints, resuming, early stopping."""

from __future__ import annotations

import logging
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import torch
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import (
    Callback,
    EarlyStopping,
    TQDMProgressBar,
    WeightAveraging,
)

from common.settings import GpuSettings
from models.components.placement import PlacedData
from models.family import EarlyStopParams
from training.checkpoints import BEST, LAST, SealedCheckpointIO, kept_checkpoints, read
from training.gpu.averaging import DeviceAveraging, share_kept
from training.gpu.probe import probe_trainer, profile_for
from training.gpu.profile import LayOutState, UseProfile, exact_products, uses_gpu
from training.monitoring.divergence import DivergedError, not_finite_weight
from training.monitoring.pace import Pace
from training.monitoring.progress import Progress
from training.monitoring.stop_diverged import StopWhenDiverged
from training.monitoring.throughput import Throughput
from training.monitoring.time_left import left
from training.resume import ROWS, ResumeTogether, resume_point
from training.sharding import ShardedAveraging, ShardedStrategy
from training.storage import place_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from lightning_fabric.plugins.environments.cluster_environment import ClusterEnvironment
    from pytorch_lightning import LightningDataModule
    from pytorch_lightning.loggers import Logger
    from pytorch_lightning.strategies import DDPStrategy

    from curation.store.sample_set import SampleSet
    from models.family import Family, FitParams, Monitor
    from training.storage import Place

LOG_EVERY = 50


@dataclass(frozen=True)
class Devices:
    """Devices for training; from settings, never from params.

    Attributes:
        accelerator: As for Lightning's Trainer.
        devices: Devices of this node.
        strategy: `auto`, `ddp` or `fsdp`.
        threads: CPU threads of each process; 0: all cores.
        num_nodes: Number of nodes.
        distributed: Kind of strategy of an engine that has started the processes itself; None: Lightning's own.
        environment: How such a process finds its rank; None: Lightning finds out.
        gpu: Options of training on a GPU.
    """

    accelerator: str = "auto"
    devices: int = 1
    strategy: str = "auto"
    threads: int = 0
    num_nodes: int = 1
    distributed: type[DDPStrategy] | None = None
    environment: ClusterEnvironment | None = None
    gpu: GpuSettings = field(default_factory=GpuSettings)

    @property
    def sharded(self) -> bool:
        """True if each process keeps a share of the weights."""
        return self.strategy == "fsdp"

    @property
    def several(self) -> bool:
        """True if other processes train with this one."""
        return self.distributed is not None or self.devices * self.num_nodes > 1


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
    wanted: Literal["auto", "32-true", "tf32", "bf16-mixed"], accelerator: str
) -> Literal["32-true", "bf16-mixed"]:
    """Lightning's precision for that of the params; `auto` is bf16 if the hardware multiplies matrices in bf16.

    For CPUs this means AMX. AVX-512's bf16 alone made a step a third slower than float32 (measured).
    """
    if wanted != "auto":
        return "32-true" if wanted == "tf32" else wanted
    if uses_gpu(accelerator):
        return "bf16-mixed" if torch.cuda.is_bf16_supported() else "32-true"
    return "bf16-mixed" if torch.cpu._is_amx_tile_supported() else "32-true"  # noqa: SLF001  # no public name


def fit(
    family: Family,
    params: FitParams,
    samples: SampleSet,
    checkpoints: Place,
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
        StorageError: The storage of the checkpoints cannot be used.
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
    throughput = [Throughput(params.batch_size)] if devices.several else []
    point = resume_point(checkpoints, module, lambda rows: _best_epoch(rows, family.monitor))
    gpu = uses_gpu(devices.accelerator)

    def data() -> LightningDataModule:
        batches = family.data(samples, params)
        if isinstance(batches, PlacedData):
            batches.resident_share = devices.gpu.resident_share
        return batches

    trainer = _trainer(
        params,
        devices,
        loggers,
        [
            ResumeTogether(point),
            Pace(),
            history,
            guard,
            _stop(family.monitor, params),
            *watch,
            *averaging(params, gpu=gpu, sharded=devices.sharded),
            *throughput,
            best,
            *kept,
            *(_sped_up(module, data, params, devices, params.epochs - point.epochs, title) if gpu else []),
            LayOutState(),
            *callbacks,
        ],
        by_hand=not module.automatic_optimization,
    )
    with exact_products(params.precision):
        trainer.fit(module, data(), ckpt_path=point.path, weights_only=True)
    if devices.sharded:  # its weights are shares
        module = family.module(samples.info, params)
    best_epoch = load_best(module, best.best_model_path)
    if figure := not_finite_weight(module.state_dict()):
        raise DivergedError(figure, best_epoch, *blamed)
    return Fitted(
        module,
        history.rows,
        best_epoch,
        trainer.current_epoch < params.epochs,
        point.epochs,
        trainer.is_global_zero,
    )


def fitted_from(family: Family, params: FitParams, info: Mapping[str, Any], checkpoints: Place) -> Fitted:
    """The result of a training that has ended in other processes, from its checkpoints.

    Raises:
        DamagedCheckpointError: A checkpoint cannot be read.
    """
    module = family.module(info, params)
    rows = read(checkpoints / LAST)["callbacks"][ROWS]["rows"]
    best_epoch = load_best(module, checkpoints / BEST)
    return Fitted(module, rows, best_epoch, len(rows) < params.epochs)


def _sped_up(
    module: LightningModule,
    data: Callable[[], LightningDataModule],
    params: FitParams,
    devices: Devices,
    epochs: int,
    title: str,
) -> list[Callback]:
    """Callback with the profile for this GPU."""
    trainer_of = probe_trainer(devices.accelerator, precision_for(params.precision, devices.accelerator))
    with exact_products(params.precision):
        profile = profile_for(
            devices.gpu,
            module,
            data,
            trainer_of,
            epochs,
            callbacks=lambda: averaging(params, gpu=True),
            processes=2 if devices.several or devices.sharded else 1,
            title=title,
        )
    return [UseProfile(profile)]


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
        num_nodes=devices.num_nodes,
        strategy=_strategy(devices, by_hand=by_hand),
        precision=precision_for(params.precision, devices.accelerator),
        max_epochs=params.epochs,
        logger=list(loggers),
        plugins=[SealedCheckpointIO(), *([devices.environment] if devices.environment else [])],
        callbacks=[*callbacks, *bar],
        log_every_n_steps=LOG_EVERY,
        num_sanity_val_steps=0,
        enable_progress_bar=bool(bar),
        enable_model_summary=False,
        use_distributed_sampler=False,
    )


def _strategy(devices: Devices, *, by_hand: bool) -> str | DDPStrategy:
    if devices.environment and devices.environment.world_size() == 1:
        return "auto"  # the averages of one process cost 5 % of a step
    if devices.distributed:
        return devices.distributed(find_unused_parameters=by_hand)
    if devices.strategy == "auto" and devices.devices * devices.num_nodes == 1:
        return "auto"
    from pytorch_lightning.strategies import DDPStrategy  # noqa: PLC0415  # only where it is used

    backend = "nccl" if uses_gpu(devices.accelerator) else "gloo"
    # Networks trained in turns, with manual optimisation, have gradients in turns: do not wait for the other network's.
    kind = ShardedStrategy if devices.sharded else DDPStrategy
    return kind(process_group_backend=backend, find_unused_parameters=by_hand)


def averaging(params: FitParams, *, gpu: bool = False, sharded: bool = False) -> list[Callback]:
    """Moving average of the weights with a lower decay at first; on a GPU rounded differently, without waits."""
    decay = params.ema_decay

    def average(kept: torch.Tensor, new: torch.Tensor, count: torch.Tensor | int) -> torch.Tensor:
        if not new.is_floating_point():  # a counter
            return new
        return torch.lerp(new, kept, share_kept(decay, int(count)))

    if not decay:
        return []
    if sharded:
        return [ShardedAveraging(decay)]
    return [DeviceAveraging(decay) if gpu else WeightAveraging(avg_fn=average)]


def load_best(module: LightningModule, path: str | Place) -> int:
    """Loads the weights of the best epoch into the module, and returns that epoch, counted from 0.

    Raises:
        DamagedCheckpointError: The checkpoint does not match its checksum.
    """
    checkpoint = read(place_of(path))
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
