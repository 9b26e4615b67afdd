"""Trainings within so many minutes: a few steps are timed, then the epochs that fit are chosen.

The learning rate falls along a cosine to the last epoch, so a training cut off by a clock would lack its end.
"""

from __future__ import annotations

import json
import math
import shutil
import statistics
import sys
import time
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from pytorch_lightning import Callback, LightningModule, Trainer
from safetensors.torch import load_file, save_file

from training.fit import averaging, fit, precision_for
from training.gpu.profile import uses_gpu

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import torch

    from curation.store.sample_set import SampleSet
    from models.family import Family

    Prepare = Callable[[LightningModule], None]

STEPS = 40  # timed steps
# Time of an epoch beside steps and validation: checkpoints, and the first steps, which are slow.
BESIDE = 1.08
WEIGHTS, SPENT = "weights.safetensors", "spent.json"


def nothing(_module: LightningModule) -> None:
    """Returns a module unchanged."""


class Clock(Callback):
    """The start of the training, and the end of each step, in seconds."""

    def __init__(self) -> None:
        self.at_s: list[float] = []

    def on_train_start(self, *_words: object) -> None:
        """Imports and the first weights do not count."""
        self.at_s.append(time.perf_counter())

    def on_train_batch_end(self, *_words: object) -> None:
        """Adds a step."""
        self.at_s.append(time.perf_counter())

    @property
    def step_s(self) -> float:
        """The median: the first steps are slow."""
        return statistics.median(after - before for before, after in pairwise(self.at_s))


class Spent(Callback):
    """The seconds of a training, including those before an interruption: they are stored in the checkpoint."""

    def __init__(self) -> None:
        self._before_s = 0.0
        self._since: float | None = None

    def on_train_start(self, *_words: object) -> None:
        """Starts the clock."""
        self._since = time.perf_counter()

    def on_train_end(self, *_words: object) -> None:
        """Stops it."""
        self._before_s, self._since = self.seconds, None

    @property
    def seconds(self) -> float:
        """So far."""
        return self._before_s + (0.0 if self._since is None else time.perf_counter() - self._since)

    def state_dict(self) -> dict[str, Any]:
        """For the checkpoint."""
        return {"seconds": self.seconds}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """From the checkpoint."""
        self._before_s = float(state_dict["seconds"])


@dataclass(frozen=True)
class Trained:
    """A network with the weights of its best epoch, and its cost."""

    network: torch.nn.Module
    seconds: float
    epochs: int


def epochs_that_fit(step_s: float, steps: int, validated: float, minutes: float) -> int:
    """The number of epochs that fit into so many minutes, at least one.

    Args:
        step_s: Duration of a step.
        steps: Per epoch.
        validated: Samples of its validation, in batches of a step. Their forward pass takes a third of a step.
        minutes: The available time.
    """
    return max(1, math.floor(60.0 * minutes / (BESIDE * step_s * (steps + validated / 3.0))))


def planned(
    family: Family,
    params: Any,  # noqa: ANN401  # each family has its own
    samples: SampleSet,
    minutes: float,
    path: Path,
    prepare: Prepare = nothing,
) -> int:
    """The epochs of a training of so many minutes; chosen once and stored at `path`, so that a resumed one agrees."""
    if not path.is_file():
        step_s = _timed(family, params, samples, prepare)
        steps = max(1, len(samples.kept("train")) // params.batch_size)
        validated = len(samples.kept("validation")) / params.batch_size
        epochs = epochs_that_fit(step_s, steps, validated, minutes)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"epochs": epochs, "step_s": step_s, "steps": steps}), encoding="utf-8")
    plan = json.loads(path.read_text(encoding="utf-8"))
    planned_as = f"{plan['epochs']} epochs of {plan['steps']} steps, {1e3 * plan['step_s']:.0f} ms each"
    print(f"# {path.stem}: {planned_as}", file=sys.stderr, flush=True)
    return int(plan["epochs"])


def _timed(family: Family, params: Any, samples: SampleSet, prepare: Prepare) -> float:  # noqa: ANN401  # each family has its own
    """Duration of a step in `fit`."""
    module, clock = family.module(samples.info, params), Clock()
    prepare(module)
    trainer = Trainer(
        precision=precision_for(params.precision, "auto"), max_epochs=1, limit_train_batches=STEPS, limit_val_batches=0,
        logger=False, callbacks=[clock, *averaging(params, gpu=uses_gpu("auto"))], enable_progress_bar=False,
        enable_model_summary=False, enable_checkpointing=False,
    )  # fmt: skip
    trainer.fit(module, family.data(samples, params))
    return clock.step_s


def train(
    family: Family,
    params: Any,  # noqa: ANN401  # each family has its own
    samples: SampleSet,
    minutes: float,
    folder: Path,
    prepare: Prepare = nothing,
) -> Trained:
    """Trains within so many minutes, resuming from a stopped run; a finished training is read.

    Args:
        family: The family of the module.
        params: Its training config; epochs are chosen.
        samples: The packed set of train and validation.
        minutes: Of this machine's clock.
        folder: Of the plan, checkpoints and weights.
        prepare: Called with the new module first, for example to give it a teacher.
    """
    epochs = planned(family, params, samples, minutes, folder / f"{folder.name}.json", prepare)
    return trained(family, params.model_copy(update={"epochs": epochs}), samples, folder, prepare)


def trained(
    family: Family,
    params: Any,  # noqa: ANN401  # each family has its own
    samples: SampleSet,
    folder: Path,
    prepare: Prepare = nothing,
) -> Trained:
    """Trains for the epochs of its config; otherwise the same as `train`."""
    if not (folder / SPENT).is_file():
        spent = Spent()
        fitted = fit(family, params, samples, folder / "checkpoints", callbacks=[spent], prepare=prepare)
        state = family.network(fitted.module).state_dict()
        save_file({name: value.contiguous() for name, value in state.items()}, folder / WEIGHTS)
        (folder / SPENT).write_text(json.dumps(spent.state_dict()), encoding="utf-8")
        shutil.rmtree(folder / "checkpoints", ignore_errors=True)
    network = family.network(family.module(samples.info, params))
    network.load_state_dict(load_file(folder / WEIGHTS))
    seconds = float(json.loads((folder / SPENT).read_text(encoding="utf-8"))["seconds"])
    return Trained(network.eval(), seconds, params.epochs)
