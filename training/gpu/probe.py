"""Choice of a profile: settings decide, and for each that is `auto` a probe of some steps on a copy of the module."""

from __future__ import annotations

import copy
import gc
import os
import random
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from pytorch_lightning import Trainer
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.utilities import rank_zero_only

from training.gpu.profile import CompileError, GpuProfile, UseProfile, convolutions_of, networks_of
from training.monitoring.time_left import span

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pytorch_lightning import LightningDataModule, LightningModule

    from common.settings import GpuSettings

WARM_UP, STEPS = 10, 20  # CUDA graphs are recorded in the first steps
WORTH = 0.97  # of the time so far: what saves less is not worth a change
LEAST_S = 120.0  # a training shorter than this ends before compiling pays
ENDLESS = 1_000_000  # epochs


@dataclass(frozen=True)
class Measured:
    """Time of a step in a profile; seconds until the first timed step, compiling included; steps of an epoch."""

    step_ms: float
    ready_s: float = 0.0
    epoch_steps: int = 0


class StepClock(Callback):
    """Times some steps after the first ones, then ends the training."""

    def __init__(self, steps: int = STEPS) -> None:
        self._wanted, self._steps = steps, 0
        self._at_s = [time.perf_counter()]

    def on_train_batch_end(self, trainer: Trainer, *_given: object) -> None:
        """Reads the clock once the device has done all that was started."""
        self._steps += 1
        if self._steps in (WARM_UP, WARM_UP + self._wanted):
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            self._at_s.append(time.perf_counter())
        trainer.should_stop = self._steps >= WARM_UP + self._wanted

    def measured(self, epoch_steps: int) -> Measured:
        """The figures."""
        made_s, first_s, last_s = self._at_s
        return Measured(1e3 * (last_s - first_s) / self._wanted, first_s - made_s, epoch_steps)


def chosen(settings: GpuSettings, measure: Callable[[GpuProfile], Measured], epochs: int) -> tuple[GpuProfile, str]:
    """The profile, and the reason as a line of the log: options are tried one after the other, and kept if they pay.

    Args:
        settings: `on` and `off` are not tried.
        measure: Times a profile; a CompileError or RuntimeError means that the device cannot run it.
        epochs: Left of the training.
    """
    wanted = {name: getattr(settings, name) for name in ("channels_last", "fused", "compile", "cuda_graphs")}
    best = replace(GpuProfile(), **{name: value == "on" for name, value in wanted.items() if value != "auto"})
    if wanted["compile"] == "off" and wanted["cuda_graphs"] == "auto":
        wanted["cuda_graphs"] = "off"  # they would compile
    open_options = [name for name, value in wanted.items() if value == "auto"]
    if not open_options:
        return best, f"{best}, as set"
    fastest = measure(best)
    tried = [f"{best} {fastest.step_ms:.2f} ms"]
    for name in open_options:
        option = replace(best, **{name: not getattr(best, name)})
        left_s = fastest.step_ms * fastest.epoch_steps * epochs / 1e3
        if name in {"compile", "cuda_graphs"} and left_s < LEAST_S:
            tried.append(f"{option} not tried, since only {span(left_s)} are left")
            continue
        try:
            found = measure(option)
        except (RuntimeError, CompileError) as error:
            tried.append(f"{option} fails: {(str(error).strip() or type(error).__name__).splitlines()[0][:120]}")
            continue
        tried.append(f"{option} {found.step_ms:.2f} ms, ready after {span(found.ready_s)}")
        saved_s = (fastest.step_ms - found.step_ms) * fastest.epoch_steps * epochs / 1e3
        slow_start_s = found.ready_s if option.compile or option.cuda_graphs else 0.0
        if found.step_ms <= WORTH * fastest.step_ms and saved_s > slow_start_s:
            best, fastest = option, found
    return best, f"{best}; a step took: {'; '.join(tried)}"


def step_time(
    profile: GpuProfile,
    module: LightningModule,
    data: LightningDataModule,
    trainer_of: Callable[[list[Callback]], Trainer],
    callbacks: Sequence[Callback] = (),
) -> Measured:
    """Times a profile on a copy of the module, with an optimiser of its own.

    Args:
        profile: The profile.
        module: The module, not in a training; it is left as it was, and so is the state of all random generators.
        data: A data module of the probe's own.
        trainer_of: Makes the trainer with these callbacks.
        callbacks: More of what runs in each step, such as averaging.
    """
    with kept_randomness():
        clock = StepClock()
        trainer = trainer_of([UseProfile(profile), *callbacks, clock])
        trainer.fit(copy.deepcopy(module), data)
        return clock.measured(int(trainer.num_training_batches))


def probe_trainer(accelerator: str, precision: str) -> Callable[[list[Callback]], Trainer]:
    """Trainers that write nothing and validate nothing."""

    def make(callbacks: list[Callback]) -> Trainer:
        return Trainer(
            accelerator=accelerator,
            devices=1,
            precision=precision,  # type: ignore[arg-type]  # one of Lightning's names
            max_epochs=ENDLESS,
            limit_val_batches=0,
            num_sanity_val_steps=0,
            logger=False,
            callbacks=callbacks,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            use_distributed_sampler=False,
        )

    return make


def profile_for(
    settings: GpuSettings,
    module: LightningModule,
    make_data: Callable[[], LightningDataModule],
    trainer_of: Callable[[list[Callback]], Trainer],
    epochs: int,
    *,
    callbacks: Callable[[], Sequence[Callback]] = tuple,
    processes: int = 1,
    title: str = "",
) -> GpuProfile:
    """The profile of a training on this GPU; the stage's log has a line with what was tried.

    Args:
        settings: Of the GPU.
        module: The module to be trained; only copies of it are used.
        make_data: Makes a data module.
        trainer_of: Makes a trainer with given callbacks.
        epochs: Left of the training.
        callbacks: More of what runs in each step.
        processes: Processes that this one starts, or is one of; of several none probes.
        title: Title of the training, before the line.
    """
    fixed = {} if any(map(convolutions_of, networks_of(module))) else {"channels_last": "on"}
    # Each of several processes would choose for itself, and measure while the others do.
    if max(processes, int(os.environ.get("WORLD_SIZE", "1"))) > 1:
        fixed |= {
            name: "on" if getattr(GpuProfile(), name) else "off"
            for name in ("channels_last", "fused", "compile", "cuda_graphs")
            if getattr(settings, name) == "auto"
        }

    def measure(tried: GpuProfile) -> Measured:
        try:
            return step_time(tried, module, make_data(), trainer_of, callbacks())
        finally:
            _release()

    profile, why = chosen(settings.model_copy(update=fixed), measure, epochs)
    name = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
    _report(f"{title}{name}: {why}")
    return profile


@contextmanager
def kept_randomness() -> Iterator[None]:
    """Puts back the state of all random generators."""
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002  # the global one
    devices = [torch.cuda.current_device()] if torch.cuda.is_available() else []
    try:
        with torch.random.fork_rng(devices=devices):
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002  # as above


def _release() -> None:
    """Frees what a trial has used: a set on the device would leave less of its memory to the next."""
    if "torch._dynamo" in sys.modules:  # something was compiled; to import it only for this would take seconds
        torch.compiler.reset()
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


@rank_zero_only
def _report(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
