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
from typing import TYPE_CHECKING, Any, Literal

from pydantic import ValidationError

from flows.nightly import params
from models.params_file import NAME
from registry.dvc import pipeline
from registry.mlflow.runs import OWN_RUN
from registry.subprocesses import dvc_environment, end
from steps.runtime import epochs_file
from steps.runtime.failures import StageFailure, clear_failure, failure_path

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from registry.dvc.pipeline import StageNode

POLL_S = 0.2
Rows = list[dict[str, float]]


@dataclass(frozen=True)
class Trained:
    """Result of a training: the figures of its epochs, and the reason if it failed."""

    state: Literal["complete", "pruned", "failed"]
    rows: Rows = field(default_factory=list)
    seconds: float = 0.0
    reason: str = ""


@dataclass(frozen=True)
class TrialTree:
    """The worktree in which one training after the other runs.

    Attributes:
        tree: A worktree of the record, with the packed set.
        family: The family.
        values: All params, without those of a trial.
        pass_fds: The run lock, which the processes inherit.
        augment: The stage that packs the set, if trials change its params.
    """

    tree: Path
    family: str
    values: Mapping[str, Any]
    pass_fds: tuple[int, ...]
    augment: StageNode | None = None

    def train(
        self,
        changes: Mapping[str, Any],
        state: Path,
        log: Path,
        run_id: str,
        stop: Callable[[dict[str, float], float], bool] = lambda _row, _seconds: False,
    ) -> Trained:
        """Trains with changed params; continues from the checkpoint if `state` has one.

        Args:
            changes: The params of this training, by path.
            state: Folder of its checkpoints.
            log: File for its output.
            run_id: Its run in MLflow.
            stop: (figures of an epoch, seconds so far) -> True to end the training there.
        """
        began = time.monotonic()
        shutil.rmtree(self.tree / "build" / self.family / "train", ignore_errors=True)
        clear_failure(self.tree, "train", self.family)
        (self.tree / NAME).write_text(params.dump(params.lay(self.values, params.nested(changes))), encoding="utf-8")
        log.parent.mkdir(parents=True, exist_ok=True)
        if self.augment and pipeline.reproduce(self.tree, self.augment, os.environ, log, self.pass_fds):
            return Trained("failed", seconds=time.monotonic() - began, reason=self._reason("augment", 1))
        epochs = state / "epochs.json"
        own = {"RUSHES_STATE": str(state), epochs_file.VARIABLE: str(epochs), OWN_RUN: run_id}
        with log.open("ab") as file:
            process = subprocess.Popen(
                [sys.executable, "-m", "steps", "train", self.family],
                cwd=self.tree, env=dvc_environment(os.environ) | own, stdin=subprocess.DEVNULL,
                stdout=file, stderr=subprocess.STDOUT, pass_fds=self.pass_fds,
            )  # fmt: skip
        seen: Rows = []
        pruned = False
        try:
            while not pruned:
                status = process.poll()
                fresh = self._rows(epochs, ended=status == 0)[len(seen) :]
                pruned = _take(fresh, seen, lambda row: stop(row, time.monotonic() - began))
                if status is not None:
                    break
                time.sleep(0 if fresh else POLL_S)
        finally:
            if process.poll() is None:
                end(process.pid)
            process.wait()
        seconds = time.monotonic() - began
        if pruned:
            return Trained("pruned", seen, seconds)
        if status:
            return Trained("failed", seen, seconds, self._reason("train", status))
        return Trained("complete", seen, seconds)

    def _rows(self, epochs: Path, *, ended: bool) -> Rows:
        """Figures of the epochs: as reported so far, or the history that a finished training has written."""
        if ended:
            with (self.tree / "build" / self.family / "train" / "history.csv").open(
                newline="", encoding="utf-8"
            ) as file:
                return [{name: float(text) for name, text in row.items() if text} for row in csv.DictReader(file)]
        try:
            return list(json.loads(epochs.read_text(encoding="utf-8")))
        except FileNotFoundError:  # the first epoch has not ended
            return []

    def _reason(self, stage: str, status: int | None) -> str:
        try:
            text = failure_path(self.tree, stage, self.family).read_text(encoding="utf-8")
            return StageFailure.model_validate_json(text).message
        except (OSError, ValidationError):
            by = f"signal {-status}" if status and status < 0 else f"status {status}"
            return f"{stage} ended with {by} and no record"


def _take(fresh: Sequence[dict[str, float]], seen: Rows, stop: Callable[[dict[str, float]], bool]) -> bool:
    """Takes rows one by one, up to the one at which the training is stopped; the pace of polling changes nothing."""
    for row in fresh:
        seen.append(row)
        if stop(row):
            return True
    return False
