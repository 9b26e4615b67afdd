"""The work of an engine: the training as a function of the devices of one process."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import torch

from rushes.errors import MisuseError
from training.fit import Devices, Fitted

if TYPE_CHECKING:
    from pytorch_lightning import Trainer

    from common.settings import TrainingSettings
    from curation.store.sample_set import SampleSet
    from models.family import Family, FitParams

# Trains in one of the processes, and returns what it has learned; has to be picklable for Ray.
Work = Callable[[Devices], Fitted]


def check_strategy(family: Family, params: FitParams, samples: SampleSet, training: TrainingSettings) -> None:
    """Checks that the family can train with the strategy of the settings.

    Raises:
        MisuseError: The weights cannot be sharded.
    """
    if training.strategy != "fsdp":
        return
    reason = ""
    if training.engine == "ray":
        reason = "the engine ray has no fsdp"
    elif "on" in {training.gpu.compile, training.gpu.cuda_graphs}:
        reason = "sharded weights move, so training.gpu.compile and training.gpu.cuda_graphs cannot be on"
    elif not family.module(samples.info, params).automatic_optimization:
        reason = f"{family.name} trains two networks in turns, which fsdp does not support"
    if reason:
        message = f"training.strategy is fsdp: {reason}"
        raise MisuseError(message, 'set training.strategy in settings.toml to "ddp"')


def check_counts(family: Family, params: FitParams, samples: SampleSet, training: TrainingSettings) -> list[int]:
    """Numbers of processes among which the family's batches can be divided.

    Returns:
        Those between the minimum and the maximum of the settings, in rising order.

    Raises:
        MisuseError: The batches cannot be divided among the wanted number of processes.
    """
    most = wanted_count(training)
    least = training.min_workers or most
    if least > most:
        message = f"training.min_workers is {least}, more than the {most} processes of the settings"
        raise MisuseError(message, f"set training.min_workers in settings.toml to at most {most}")
    _divide(family, params, samples, most)
    return [count for count in range(least, most) if _divides(family, params, samples, count)] + [most]


def wanted_count(training: TrainingSettings) -> int:
    """Number of processes of a training, in all."""
    if training.engine == "ray":
        return training.workers
    return training.devices * (training.num_nodes if training.engine == "torchrun" else 1)


def _divides(family: Family, params: FitParams, samples: SampleSet, count: int) -> bool:
    try:
        _divide(family, params, samples, count)
    except MisuseError:
        return False
    return True


def _divide(family: Family, params: FitParams, samples: SampleSet, count: int) -> None:
    """Creates the batches of the first of `count` processes; the family refuses what it cannot divide."""
    data = family.data(samples, params)
    strategy = SimpleNamespace(root_device=torch.device("cpu"))
    first = SimpleNamespace(global_rank=0, world_size=count, current_epoch=0, strategy=strategy)
    data.trainer = cast("Trainer", first)
    data.train_dataloader()
