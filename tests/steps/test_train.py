"""A diverged training has no outputs to compress, and its run in MLflow ends as failed."""

import shutil
from pathlib import Path

import pytest
import yaml

from common.settings import load_settings
from steps import train
from tests.support.repos import ROOT
from tests.support.sets import small_set
from tests.training.test_fit import SMALL
from training.divergence import DivergedError


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

    def run(**changes):
        values = yaml.safe_load(Path("params.yaml").read_text())
        recipe = SMALL | {"widths": [8, 16], "depths": [1, 1]} | changes
        Path("params.yaml").write_text(yaml.safe_dump(values | {"expression": {"train": recipe}}))
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
    """Its checkpoints are in the configured folder."""
    trained()

    assert trained.ended == ["success"]
    assert Path("build/expression/train/weights.safetensors").is_file()
    assert (load_settings().state / "checkpoints" / "expression" / "0000000000000000" / "last.ckpt").is_file()
