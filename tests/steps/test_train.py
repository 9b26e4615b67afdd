"""A diverged training has no outputs to compress, and its run in MLflow ends as failed."""

import json
import os
import shutil
from pathlib import Path

import pandas as pd
import pytest
import yaml

from common.settings import load_settings
from steps import compress, train
from steps.runtime import trial_folder
from tests.support.repos import ROOT
from tests.support.sets import small_set
from tests.training.test_fit import SMALL
from training import storage
from training.gpu.profile import CACHE
from training.monitoring.divergence import DivergedError


class Logger:
    """Replaces MLflow's logger; records the final status of the run."""

    def __init__(self):
        self.ended = []

    def finalize(self, status):
        """Same as RunLogger's."""
        self.ended.append(status)


@pytest.fixture
def trained(tmp_path, monkeypatch):
    """Runs the step in a small tree, and returns the final status of its run."""
    small_set(tmp_path / "build" / "expression" / "set", {"train": 48, "validation": 16})
    shutil.copy(ROOT / "params.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RUSHES_TRAINING__ACCELERATOR", "cpu")
    monkeypatch.setattr(train, "stage_key", lambda *_: "0" * 64)
    monkeypatch.setattr(train, "_list", lambda _: [])  # only the final status is logged
    monkeypatch.setenv(CACHE, "")  # put back as it was after the test
    monkeypatch.delenv(CACHE)

    def run(**changes):
        values = yaml.safe_load(Path("params.yaml").read_text())
        config = SMALL | {"widths": [8, 16], "depths": [1, 1]} | changes
        Path("params.yaml").write_text(yaml.safe_dump(values | {"expression": {"train": config}}))
        logger = Logger()
        monkeypatch.setattr(train, "run_logger", lambda *_: logger)
        try:
            train.run("expression")
        finally:
            run.ended = logger.ended

    return run


def test_a_diverged_run_ends_as_failed(trained):
    """With a learning rate of a million there are neither weights nor a summary, and the param is named."""
    with pytest.raises(DivergedError, match="in epoch 1"):
        trained(learning_rate=1e6)

    assert trained.ended == ["failed"]
    assert not Path("build/expression/train").exists()


def test_a_run_ends_as_failed_where_its_weights_cannot_be_written(trained, monkeypatch):
    """Planted: a full disk. The run does not stay open."""

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(train, "save_file", full)
    with pytest.raises(OSError, match="No space left"):
        trained()
    assert trained.ended == ["failed"]


def test_a_good_run_ends_well(trained):
    """Its checkpoints are in the state folder."""
    trained()

    assert trained.ended == ["success"]
    assert Path("build/expression/train/weights.safetensors").is_file()
    assert (load_settings().state / "checkpoints" / "expression" / "0000000000000000" / "last.ckpt").is_file()


def test_starter_data_alone_have_epochs_of_their_own(trained, capsys):
    """The log states it; data of one's own get all epochs."""
    trained(starter_epochs=1)
    assert json.loads(Path("build/expression/train/summary.json").read_text())["epochs"] == SMALL["epochs"]
    info = Path("build/expression/set/set.json")
    info.write_text(json.dumps(json.loads(info.read_text()) | {"starter_only": True}))
    shutil.rmtree(load_settings().state)
    trained(starter_epochs=1)

    assert json.loads(Path("build/expression/train/summary.json").read_text())["epochs"] == 1
    assert "the set holds starter data alone: train.epochs is 1, not 3\n" in capsys.readouterr().out


def test_checkpoints_lie_in_the_storage_until_the_model_is_compressed(trained, storage_base, monkeypatch, capsys):
    """And nowhere else; those of other trainings stay. A storage that cannot be used then fails nothing."""
    monkeypatch.setenv("RUSHES_TRAINING__STORAGE", str(storage_base))
    storage.replace(storage_base / "expression" / "other" / "last.ckpt", b"")
    trained()

    assert storage.exists(storage_base / "expression" / "0000000000000000" / "last.ckpt")
    assert not Path(".state/checkpoints").exists()
    monkeypatch.setenv("RUSHES_TRAINING__STORAGE", "gs://bucket")
    compress.forget_checkpoints("expression")
    assert "those of train are left behind: training.storage cannot be gs://bucket" in capsys.readouterr().out
    monkeypatch.setenv("RUSHES_TRAINING__STORAGE", str(storage_base))
    compress.forget_checkpoints("expression")
    assert [path.name for path in (storage_base / "expression").iterdir()] == ["other"]


def test_storage_is_checked_before_anything_starts(trained, tmp_path, monkeypatch):
    """A training of hours does not fail at its first checkpoint, and MLflow has no run of it."""
    monkeypatch.setenv("RUSHES_TRAINING__STORAGE", str(tmp_path / "unmounted"))
    with pytest.raises(storage.StorageError, match="unmounted cannot be used: there is no such folder"):
        trained()

    assert trained.ended == []
    assert not (tmp_path / "unmounted").exists()


def test_settings_of_the_gpu_reach_the_training(trained, monkeypatch):
    """The options, and the folder of compiled kernels."""
    monkeypatch.setenv("RUSHES_TRAINING__GPU__COMPILE", "off")
    monkeypatch.setenv("RUSHES_TRAINING__GPU__RESIDENT_SHARE", "0.5")
    given = []
    real = train.fit
    monkeypatch.setattr(
        train, "fit", lambda *words, devices, **named: given.append(devices) or real(*words, devices=devices, **named)
    )
    trained()

    assert [(devices.gpu.compile, devices.gpu.resident_share) for devices in given] == [("off", 0.5)]
    assert os.environ[CACHE] == str(Path(".state/inductor").resolve())


def test_epochs_are_reported_to_a_search(trained, monkeypatch, tmp_path):
    """The file has what the history has, epoch by epoch; without the variable no file is written."""
    trained()
    assert not list(tmp_path.glob("*.json"))
    monkeypatch.setenv(trial_folder.VARIABLE, str(tmp_path))
    shutil.rmtree(load_settings().state)
    trained()
    history = pd.read_csv("build/expression/train/history.csv")

    assert pd.DataFrame(json.loads((tmp_path / "epochs.json").read_text())).round(12).equals(history.round(12))
