"""A set to trained weights: in a process of its own, since ddp runs its script once more for every other process."""

from __future__ import annotations

import importlib.metadata
import json
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from safetensors.torch import save_file

from common.settings import load_settings
from curation.store.sample_set import SampleSet
from models.components.load import load_params, params_for
from models.families import by_name
from registry.dvc.stage_key import stage_key
from registry.mlflow.runs import finish, run_logger
from steps.runtime.trial_folder import CHECKPOINTS, EPOCHS, trial_folder
from training.engines import local, torchrun
from training.engines.ray import driver as ray_driver
from training.engines.work import check_counts, check_strategy
from training.fit import Devices, Fitted, fit, fitted_from
from training.gpu.profile import keep_compiled
from training.monitoring.progress import assemble
from training.monitoring.report_epochs import ReportEpochs
from training.retention import remove_abandoned
from training.shared_set import find, publish
from training.storage import check_storage, checkpoint_folder, place_of

if TYPE_CHECKING:
    from pytorch_lightning.loggers import Logger

    from common.settings import Settings, TrainingSettings
    from models.family import Family, FitParams
    from training.shared_set import SharedSet
    from training.storage import Place

PACKAGES = ("torch", "pytorch-lightning", "numpy", "opencv-python-headless", "onnxruntime")


def run(item: str) -> None:
    """Writes build/F/train: weights.safetensors, history.csv, summary.json."""
    settings = load_settings()
    keep_compiled(settings.state / "inductor")
    job = _job(item, settings)
    remove_abandoned(settings, item, job.key)
    _run(job, settings.training)


@dataclass(frozen=True)
class Job:
    """A training, as every one of its processes knows it."""

    item: str
    key: str
    params: FitParams
    checkpoints: Place
    samples: SampleSet
    epochs: Place | None = None  # file for the figures of each epoch, if this is a training of a search
    shared: SharedSet | None = None  # the set on the storage, for nodes that do not mount this checkout


def _job(item: str, settings: Settings) -> Job:
    samples = SampleSet(Path("build", item, "set").absolute())
    params = params_for(samples, load_params(Path("params.yaml"), by_name(item))[1]).train
    key = stage_key(Path(), "train", item)
    check_storage(settings.training.storage)
    trial = place_of(trial_folder()) if trial_folder() else None
    place = trial / CHECKPOINTS if trial else checkpoint_folder(settings, item, key)
    folder = place.absolute() if isinstance(place, Path) else place  # a process of Ray has another working directory
    return Job(item, key, params, folder, samples, trial / EPOCHS if trial else None)


def _run(job: Job, training: TrainingSettings) -> None:
    """Trains with the engine of the settings."""
    family, work = by_name(job.item), partial(train, job)
    check_strategy(family, job.params, job.samples, training)
    counts = check_counts(family, job.params, job.samples, training)
    if training.engine == "torchrun":
        torchrun.run(work, training, job.key, ("-m", "steps", "train", job.item))
    elif training.engine == "ray":
        place = place_of(training.storage) if training.storage else None
        shared = publish(job.samples, job.item, place, training.keep_days) if place else None
        ray_driver.run(partial(train, replace(job, shared=shared)), training, job.key, counts, Path().absolute())
        write_outputs(job, fitted_from(family, job.params, job.samples.info, job.checkpoints))
    else:
        local.run(work, training)


def train(job: Job, devices: Devices) -> Fitted:
    """Trains in one process, and logs to the run of its key; the first one writes the outputs, unless Ray started it.

    Raises:
        MisuseError: This node has another packed set.
    """
    samples = find(job.samples, job.shared) if job.shared else job.samples
    logger = run_logger(job.item, job.key, {"train": job.params.model_dump(mode="json")})
    try:
        fitted = fit(
            by_name(job.item),
            job.params,
            samples,
            job.checkpoints,
            devices=devices,
            loggers=_list(logger),
            callbacks=[ReportEpochs(job.epochs)] if job.epochs else [],
        )
        if fitted.is_first and devices.distributed is None:
            write_outputs(job, fitted)
    except BaseException:
        finish(logger, failed=True)
        raise
    if fitted.is_first:
        finish(logger)
    return fitted


def write_outputs(job: Job, fitted: Fitted) -> None:
    """Writes build/F/train."""
    folder = Path("build") / job.item / "train"
    write(by_name(job.item), fitted, job.params.model_dump(), job.key, folder)
    assemble(job.checkpoints, folder, _owed(job.samples))


def _list(logger: Logger | None) -> list[Logger]:
    return [logger] if logger is not None else []


def _owed(samples: SampleSet) -> list[str]:
    """Credits that are due wherever a picture is shown that was learned from the set; each once."""
    return list(dict.fromkeys(samples.info.get("credits", {}).values()))


def write(family: Family, fitted: Fitted, params: dict[str, Any], key: str, folder: Path) -> None:
    """Writes what later stages read; nothing in it depends on when or where it ran."""
    folder.mkdir(parents=True, exist_ok=True)
    state = {name: value.contiguous() for name, value in family.network(fitted.module).state_dict().items()}
    save_file(state, folder / "weights.safetensors")
    pd.DataFrame(fitted.history).to_csv(folder / "history.csv", index=False)
    summary = {
        "key": key,
        "epochs": len(fitted.history),
        "best_epoch": fitted.best_epoch,
        "stopped_early": fitted.stopped_early,
        "params": params,
        "packages": {name: importlib.metadata.version(name) for name in PACKAGES},
    }
    (folder / "summary.json").write_text(json.dumps(summary, indent=2, sort_keys=True) + "\n", encoding="utf-8")
