"""Trainings side by side: what cannot work is refused, and each gets its share of this machine."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from common.commands import python
from rushes.errors import MisuseError
from training.engines.ray.cluster import address_of, check_room
from training.engines.torchrun import launched

if TYPE_CHECKING:
    from common.settings import TrainingSettings
    from flows.search.request import SearchPlan

GPUS = "CUDA_VISIBLE_DEVICES"


def check_engine(plan: SearchPlan, training: TrainingSettings) -> None:
    """Checks that the engine can train as many trials side by side as are wanted.

    Raises:
        MisuseError: It cannot.
        NoClusterError: The Ray cluster cannot be used.
    """
    count = plan.request.parallel
    if training.engine == "torchrun":
        _check_torchrun(count, training)
    if count > 1 and training.engine == "ray":
        _check_ray(count, training)
    elif count > 1 and not training.threads:
        _check_cores(count, training.devices)


def _check_cores(count: int, devices: int) -> None:
    most = cores() // devices
    if count > most:
        message = f"--parallel {count}: this machine has {cores()} cores, too few for {count * devices} processes"
        fewer = f"--parallel {most}" if most > 1 else "leave out --parallel"
        raise MisuseError(message, f"{fewer}, or set training.threads in settings.toml, to share cores all the same")


def _check_torchrun(count: int, training: TrainingSettings) -> None:
    if training.num_nodes > 1 or launched(os.environ):
        message = "a search starts each training by itself, and on other nodes nobody would start the same one"
        raise MisuseError(
            message, 'set training.engine in settings.toml to "ray", or to "local" for this machine alone'
        )
    if training.address and count > 1:
        message = f"--parallel {count}: {count} trainings cannot meet at one training.address, {training.address}"
        raise MisuseError(message, 'set training.address = "" in settings.toml: one node needs none')


def _check_ray(count: int, training: TrainingSettings) -> None:
    if not address_of(training):
        message = f"--parallel {count}: without training.address each training would start a Ray cluster of its own"
        ray = Path(python()).with_name("ray")
        remedy = f'{ray} start --head, and set training.address in settings.toml; or training.engine = "local"'
        raise MisuseError(message, remedy)
    check_room(training, count)


def environments(training: TrainingSettings, count: int) -> list[dict[str, str]]:
    """Variables of the trainings of each place: its share of this machine's cores and GPUs; none on a Ray cluster."""
    if count == 1 or training.engine == "ray":
        return [{} for _ in range(count)]
    each = max(1, cores() // (count * training.devices))
    threads = {} if training.threads else {"RUSHES_TRAINING__THREADS": str(each)}
    names = _gpus(training)
    found = []
    for place in range(count):
        first = place * training.devices
        own = [names[(first + number) % len(names)] for number in range(min(training.devices, len(names)))]
        found.append(threads | ({GPUS: ",".join(own)} if own else {}))
    return found


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _gpus(training: TrainingSettings) -> list[str]:
    """Names of the GPUs that trainings may use."""
    if training.accelerator == "cpu" or not torch.cuda.is_available():
        return []
    given = os.environ.get(GPUS)
    return given.split(",") if given else [str(number) for number in range(torch.cuda.device_count())]
