"""A checkout with a small set, and machines to train it on."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pytest
from safetensors.numpy import load_file

from tests.support.project import make_project
from tests.support.sets import small_set
from training.checkpoints import read

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.support.nodes import Machine
    from tests.support.project import Project

EPOCH = re.compile(r"epoch (?P<epoch>\d+) of \d+ ")
TRAIN = {"epochs": 12, "batch_size": 32, "norm_samples": 16, "widths": [8, 16], "depths": [1, 1], "warmup_epochs": 1.0}


@dataclass
class Checkout:
    """A checkout that trains the expression family."""

    project: Project

    @property
    def root(self) -> Path:
        """Its folder."""
        return self.project.root

    def configure(self, **training: object) -> None:
        """Writes the table `training` of settings.toml."""
        given = {"accelerator": "cpu", "threads": 1, **training}
        lines = [f"{name} = {_toml(value)}" for name, value in given.items()]
        (self.root / "settings.toml").write_text("\n".join(["[training]", *lines]) + "\n")

    def start(self, machine: Machine | None = None, **env: str) -> subprocess.Popen[str]:
        """Starts the stage, on a machine or outside of any."""
        words = [sys.executable, "-m", "steps", "train", "expression"]
        given = {**self.project.env, "MLFLOW_TRACKING_URI": "", "PYTHONPATH": "", "OMP_NUM_THREADS": "1", **env}
        return subprocess.Popen(
            machine.command(words) if machine else words,
            cwd=self.root,
            env=machine.environment(given) if machine else given,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def train(self, machine: Machine | None = None, **env: str) -> str:
        """Runs the stage to its end, and returns its log."""
        process = self.start(machine, **env)
        log = process.communicate(timeout=400)[0]
        assert process.returncode == 0, log
        return log

    def learned(self, storage: Path | None = None) -> Mapping[str, np.ndarray]:
        """Weights of the best epoch and of the last one, in which a fault on the way would show."""
        best = load_file(self.root / "build/expression/train/weights.safetensors")
        (path,) = ((storage or self.root / ".state/checkpoints") / "expression").glob("*/last.ckpt")
        return best | {f"last/{name}": value.numpy() for name, value in read(path)["state_dict"].items()}

    def failure(self) -> str:
        """The description of its failure."""
        return (self.root / "build/failures/train@expression.json").read_text()


def _toml(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else str(value)


def epochs_in(log: str) -> list[int]:
    """The epochs that were trained, in order."""
    return [int(match["epoch"]) for match in EPOCH.finditer(log)]


def read_until(process: subprocess.Popen[str], words: str) -> str:
    """Reads a process's log until a line has the words."""
    log = ""
    for line in process.stdout:
        log += line
        if words in line:
            return log
    raise AssertionError(log)


def same(first: Mapping[str, np.ndarray], second: Mapping[str, np.ndarray]) -> bool:
    """True if all weights are equal, bit for bit."""
    return first.keys() == second.keys() and all(np.array_equal(first[name], second[name]) for name in first)


def make_checkout(folder: Path, **train: object) -> Checkout:
    """A checkout in a folder."""
    checkout = Checkout(make_project(folder))
    checkout.project.set_train(**TRAIN | train)
    small_set(checkout.root / "build/expression/set", {"train": 300, "validation": 16})
    return checkout


@pytest.fixture
def checkout(tmp_path):
    """A fresh checkout."""
    return make_checkout(tmp_path)
