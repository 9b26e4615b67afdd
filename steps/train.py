"""A set to trained weights: in a process of its own, since ddp runs its script once more for every other process."""

from __future__ import annotations

import importlib.metadata
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from safetensors.torch import save_file

from common.settings import load_settings
from curation.store.sample_set import SampleSet
from models.components.load import load_params
from models.families import by_name
from registry.dvc.stage_key import stage_key
from registry.mlflow.runs import finish, run_logger
from training.fit import Devices, Fitted, fit
from training.progress import assemble

if TYPE_CHECKING:
    from pytorch_lightning.loggers import Logger

    from models.family import Family

PACKAGES = ("torch", "pytorch-lightning", "numpy", "opencv-python-headless", "onnxruntime")


def run(item: str) -> None:
    """Writes build/F/train: weights.safetensors, history.csv, summary.json."""
    family, settings = by_name(item), load_settings()
    params = load_params(Path("params.yaml"), family)[1].train
    key = stage_key(Path(), "train", item)
    checkpoints = settings.state / "checkpoints" / item / key[:16]
    logger = run_logger(item, key, {"train": params.model_dump(mode="json")})
    devices = Devices(**settings.training.model_dump())
    samples = SampleSet(Path("build") / item / "set")
    try:
        fitted = fit(family, params, samples, checkpoints, devices=devices, loggers=_list(logger))
        if fitted.is_first:
            write(family, fitted, params.model_dump(), key, Path("build") / item / "train")
            assemble(checkpoints, Path("build") / item / "train", _owed(samples))
    except BaseException:
        finish(logger, failed=True)
        raise
    if fitted.is_first:
        finish(logger)


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
