"""The whole project in a folder of its own, with tiny params, driven through its command line."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml

from flows.servers.servers import free_port
from tests.support.raw import encode, photo
from tests.support.repos import ROOT, git

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from common.assets import Asset

LABELS = ("angry", "happy", "sad")
SIZE_PX = 32
ROW = re.compile(r"^ (?P<act>\S+)\s+(?P<state>ran|skipped|failed|not reached)\s+(?P<why>.*)$", re.MULTILINE)
FOREIGN = ("GIT_", "XDG_", "DVC_", "PIP_", "RUSHES_", "MLFLOW_", "PREFECT_", "PYTHON", "_RUSHES")

TRAIN = {
    "epochs": 40,
    "patience": 1000,
    "batch_size": 32,
    "norm_samples": 32,
    "precision": "32-true",
    "widths": [8, 16],
    "depths": [1, 1],
    "warmup_epochs": 2.0,
    "mixup": 0.0,
}
WIDE = {"max_objective_drop": 1000.0}  # networks that have hardly learned lose anything
PARAMS = {
    "families": {"expression": "faces"},
    "collections": {
        "faces": {
            "medium": "image",
            "needs": "datasets/faces",
            "labels": list(LABELS),
            "size_px": SIZE_PX,
            "split": {"validation_share": 0.2, "test_share": 0.3},
        }
    },
    "expression": {
        "augment": {"balance": 1.0},
        "train": TRAIN,
        "compress": {"calibration_samples": 32},
        "budget": WIDE,
    },
    "scene": {},
    "script": {},
    "tracking": {},
}
# Microseconds measured beside other tests are noise.
RULES = {"min_gain": 0.01, "resamples": 200, "guards": {"latency_ratio": 1000.0}}
SETTINGS = """\
[registry]
port = {mlflow}
[prefect]
port = {prefect}
[training]
accelerator = "cpu"
threads = 1
"""


@dataclass(frozen=True)
class Project:
    """A checkout: `root` is its folder, `env` the environment of a user without any settings."""

    root: Path
    env: Mapping[str, str]

    def flows(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Runs `python -m flows ...` to its end."""
        return self.run("flows", *words)

    def run(self, module: str, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Runs `python -m MODULE ...`, with additions to the environment."""
        command, env = [sys.executable, "-m", module, *words], {**self.env, **more}
        return subprocess.run(command, cwd=self.root, env=env, capture_output=True, text=True, check=False, timeout=800)

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        """Starts the same without waiting."""
        command = [sys.executable, "-m", "flows", *words]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        return subprocess.Popen(command, cwd=self.root, env=dict(self.env), **quiet)

    def set_train(self, family: str = "expression", **values: Any) -> None:
        """Edits `FAMILY.train` in params.yaml."""
        self.set_section(family, "train", values)

    def set_section(self, family: str, section: str, values: Mapping[str, Any]) -> None:
        """Edits a section of a family in params.yaml."""
        params = yaml.safe_load((self.root / "params.yaml").read_text())
        params[family][section] = {**params[family].get(section, {}), **values}
        (self.root / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))

    def set_rules(self, rules: Mapping[str, Any]) -> None:
        """Writes mlflow/promotion.yaml."""
        (self.root / "mlflow/promotion.yaml").write_text(yaml.safe_dump(dict(rules)))

    def decision(self, family: str = "expression") -> dict[str, Any]:
        """The decision that the last run wrote."""
        return dict(json.loads((self.root / "build" / family / "decision.json").read_text()))

    def changes(self) -> set[str]:
        """The lines of `git status --porcelain`."""
        return set(git(self.root, "status", "--porcelain").splitlines())


def acts(output: subprocess.CompletedProcess[str]) -> dict[str, str]:
    """The state of each task, from the table at the end of a run."""
    return {row["act"]: row["state"] for row in ROW.finditer(output.stdout)}


def make_project(
    folder: Path,
    params: Mapping[str, Any] = PARAMS,
    rules: Mapping[str, Any] = RULES,
    contents: Mapping[Asset, bytes] | None = None,
) -> Project:
    """A copy of the checkout's files with tiny params and one commit; assets are packages in a folder."""
    from tests.support.packages import plant_packages  # noqa: PLC0415 - PyTorch, only when it is needed

    root, home = folder / "project", folder / "home"
    home.mkdir(parents=True)
    copy_tree(root)
    plant_packages(root, folder / "packages", contents)
    (root / "params.yaml").write_text(yaml.safe_dump(dict(params), sort_keys=False))
    project = Project(root, environment(folder, home))
    project.set_rules(rules)
    (root / "settings.toml").write_text(SETTINGS.format(mlflow=free_port(), prefect=free_port()))
    git(root, "init", "--quiet", "--initial-branch", "main")
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "the project")
    return project


def copy_tree(root: Path) -> None:
    """Copies the files that git tracks or would not ignore, without the outputs of runs here."""
    listed = git(ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")
    for name in {name for name in listed if name and name != "dvc.lock" and (ROOT / name).is_file()}:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, root / name)


def environment(folder: Path, home: Path) -> dict[str, str]:
    """An empty home without network: pip finds packages in a folder, git and DVC do not see this machine's settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    offline = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(folder / "packages")}
    return kept | offline | {"HOME": str(home), "GIT_CONFIG_NOSYSTEM": "1", "DVC_SITE_CACHE_DIR": str(folder / "dvc")}


def face(label: str, seed: int) -> np.ndarray:
    """A picture, uint8 48,48, that passes every check and has a weave that identifies its label."""
    down, across = np.indices((48, 48)) * (2 * np.pi / 6)
    weave = {"angry": np.sin(down), "happy": np.sin(across), "sad": np.sin(down) * np.sin(across) * 1.4}[label]
    return np.clip(photo(seed).astype(np.float32) + 22 * weave, 0, 255).astype(np.uint8)


def write_faces(folder: Path, places: Iterator[str], first: int, each: int) -> None:
    """Writes `each` pictures, dated an hour ago, into every place: a folder whose path begins with its label."""
    seed, hour_ago = first, time.time() - 3600  # files written just now stay in the inbox
    for place in places:
        (folder / place).mkdir(parents=True)
        for _ in range(each):
            path = folder / place / f"{seed}.png"
            path.write_bytes(encode(face(place.split("/")[0], seed)))
            os.utime(path, (hour_ago, hour_ago))
            seed += 1
