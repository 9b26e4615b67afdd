"""One training of a search: the stage train as a process of its own, which may be ended after any epoch."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import ValidationError

from flows.nightly import params
from models.params_file import NAME
from registry.dvc import pipeline
from registry.mlflow.runs import OWN_RUN
from registry.subprocesses import dvc_environment, end
from steps.runtime import trial_folder
from steps.runtime.failures import StageFailure, clear_failure, failure_path
from training import storage

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from registry.dvc.pipeline import StageNode
    from training.storage import Place

S3_POLL_S = 2.0
Rows = list[dict[str, float]]


@dataclass(frozen=True)
class Trained:
    """Result of a training: the figures of its epochs, and the reason if it failed."""

    state: Literal["complete", "pruned", "failed"]
    rows: Rows = field(default_factory=list)
    seconds: float = 0.0
    reason: str = ""


@dataclass(frozen=True)
class Job:
    """A training to be done.

    Attributes:
        name: Name of its folder, its log and its run in MLflow.
        title: The same for people.
        changes: The params of this training, by path.
        stop: (figures of an epoch, seconds so far) -> True to end the training there.
    """

    name: str
    title: str
    changes: Mapping[str, Any]
    stop: Callable[[dict[str, float], float], bool] = lambda _row, _seconds: False


@dataclass(frozen=True)
class TrialTree:
    """A worktree in which one training after the other runs.

    Attributes:
        tree: A worktree of the record, with the packed set.
        family: The family.
        values: All params, without those of a trial.
        pass_fds: The run lock, which the processes inherit.
        augment: The stage that packs the set, if trials change its params.
        environment: Variables of the trainings in this tree.
    """

    tree: Path
    family: str
    values: Mapping[str, Any]
    pass_fds: tuple[int, ...]
    augment: StageNode | None = None
    environment: Mapping[str, str] = field(default_factory=dict)

    def start(self, job: Job, folder: Place, log: Path, run_id: str) -> Training:
        """Starts a training; it continues from its checkpoint if there is one.

        Args:
            job: The training.
            folder: Folder of its checkpoints and of the figures of its epochs.
            log: File for its output.
            run_id: Its run in MLflow.
        """
        shutil.rmtree(self.tree / "build" / self.family / "train", ignore_errors=True)
        clear_failure(self.tree, "train", self.family)
        values = params.lay(self.values, params.nested(job.changes))
        (self.tree / NAME).write_text(params.dump(values), encoding="utf-8")
        return Training(self, job, folder, log, run_id)


class Training:
    """A training in progress.

    Args:
        tree: Its worktree, with its params.
        job: What is trained.
        folder: See `TrialTree.start`.
        log: See `TrialTree.start`.
        run_id: See `TrialTree.start`.
    """

    def __init__(self, tree: TrialTree, job: Job, folder: Place, log: Path, run_id: str) -> None:
        self._tree, self._job, self._epochs, self._log = tree, job, folder / trial_folder.EPOCHS, log
        self._own = {**tree.environment, trial_folder.VARIABLE: str(folder), OWN_RUN: run_id}
        self._rows: Rows = []
        self._began_s = time.monotonic()
        self._read_s = 0.0
        log.parent.mkdir(parents=True, exist_ok=True)
        self._packing = tree.augment
        if tree.augment:
            self._process = self._start(pipeline.command(tree.tree, tree.augment), self._packing_log, {})
        else:
            self._process = self._train()

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    def poll(self) -> Trained | None:
        """Takes the epochs that have ended, one by one; the pace of polling does not change which of them are.

        Returns:
            The result once the training has ended; None as long as it runs.
        """
        status = self._process.poll()
        if self._packing:
            return None if status is None else self._packed(self._packing, status)
        for row in self._reported(ended=status == 0)[len(self._rows) :]:
            self._rows.append(row)
            if self._job.stop(row, self._seconds()):
                end(self.pid)
                self._process.wait()
                return Trained("pruned", self._rows, self._seconds())
        if status is None:
            return None
        if status:
            return self._failed("train", status)
        return Trained("complete", self._rows, self._seconds())

    def _packed(self, stage: StageNode, status: int) -> Trained | None:
        """Starts the training once its set is packed."""
        pipeline.verify_run(self._tree.tree, stage, status, self._packing_log)
        if status:
            return self._failed(stage.stage, status)
        self._packing = None
        self._process = self._train()
        return None

    @property
    def _packing_log(self) -> Path:
        return self._log.with_suffix(".augment.log")

    def _train(self) -> subprocess.Popen[bytes]:
        return self._start([sys.executable, "-m", "steps", "train", self._tree.family], self._log, self._own)

    def _start(self, words: Sequence[str], log: Path, own: Mapping[str, str]) -> subprocess.Popen[bytes]:
        with log.open("ab") as file:
            return subprocess.Popen(
                words, cwd=self._tree.tree, env=dvc_environment(os.environ) | dict(own), stdin=subprocess.DEVNULL,
                stdout=file, stderr=subprocess.STDOUT, pass_fds=self._tree.pass_fds,
            )  # fmt: skip

    def _seconds(self) -> float:
        return time.monotonic() - self._began_s

    def _reported(self, *, ended: bool) -> Rows:
        """Figures of the epochs: as reported so far, or the history that a finished training has written."""
        if ended:
            path = self._tree.tree / "build" / self._tree.family / "train" / "history.csv"
            with path.open(newline="", encoding="utf-8") as file:
                return [{name: float(text) for name, text in row.items() if text} for row in csv.DictReader(file)]
        if not isinstance(self._epochs, Path) and time.monotonic() < self._read_s + S3_POLL_S:
            return []
        self._read_s = time.monotonic()
        try:
            return list(json.loads(storage.read(self._epochs)))
        except FileNotFoundError:  # the first epoch has not ended
            return []
        except storage.StorageError as error:
            if not error.transient:
                raise
            return []

    def _failed(self, stage: str, status: int) -> Trained:
        try:
            text = failure_path(self._tree.tree, stage, self._tree.family).read_text(encoding="utf-8")
            reason = StageFailure.model_validate_json(text).message
        except (OSError, ValidationError):
            by = f"signal {-status}" if status < 0 else f"status {status}"
            reason = f"{stage} ended with {by} and no record"
        return Trained("failed", self._rows, self._seconds(), reason)
