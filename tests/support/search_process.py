"""A search whose trainings are planted: real Optuna on SQLite, real git, no network is trained.

    python -m tests.support.search_process FOLDER TRIALS PARALLEL TRIAL EPOCH

The process kills itself in this epoch of this trial, as `kill -9` would.
"""

from __future__ import annotations

import math
import os
import signal
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import yaml

from common.settings import SearchSettings
from flows.search import space as spaces
from flows.search.pool import Pool
from flows.search.request import SearchPlan, SearchRequest
from flows.search.search import Search
from flows.search.study import NUMBER, open_study
from flows.search.training import Job, Trained, TrialTree
from models.components.search_space import Choice, Range
from models.family import Monitor
from tests.support.repos import ROOT, git

if TYPE_CHECKING:
    from collections.abc import Mapping

EPOCHS = 9
PATHS = ("expression.train.learning_rate", "expression.train.dropout", "expression.train.widths")
SPACE = dict(zip(PATHS, (Range(1e-3, 0.5, log=True), Range(0.0, 0.5), Choice(([8, 16], [16, 32]))), strict=True))


class PlantedTree(TrialTree):
    """Figures as a function of the params and the epoch. An epoch takes a second of a clock of its own."""

    failing: frozenset[str] = frozenset({"trial-5"})  # trainings that diverge in their second epoch
    dies_at: tuple[str, int] | None = None  # training and epoch in which this process is killed
    clock: list[float]  # the time, of all trees of a search

    def start(self, job: Job, folder: Any, log: Path, run_id: str) -> Any:
        """Replaces TrialTree's."""
        del run_id
        log.parent.mkdir(parents=True, exist_ok=True)
        with (self.tree.parent / "trained.txt").open("a") as file:
            file.write(f"{job.name}\n")
        folder.mkdir(parents=True, exist_ok=True)
        return PlantedTraining(self, job)


class PlantedTraining:
    """Replaces Training: one epoch a poll."""

    pid = 2**31 - 2  # of no process

    def __init__(self, tree: PlantedTree, job: Job) -> None:
        self.tree, self.job, self.began = tree, job, tree.clock[0]
        self.seen: list[dict[str, float]] = []

    def poll(self) -> Trained | None:
        """Trains an epoch."""
        epoch = len(self.seen)
        seconds = 1.0 + epoch
        self.tree.clock[0] = max(self.tree.clock[0], self.began + seconds)
        row: dict[str, float] = {"epoch": epoch, "val/macro_f1": figure(self.job.changes, epoch)}
        if epoch and self.job.name in self.tree.failing:
            return Trained("failed", self.seen, 1.0, "the loss became NaN in epoch 2")
        self.seen.append(row)
        if self.job.stop(row, seconds):
            return Trained("pruned", self.seen, seconds)
        if (self.job.name, epoch) == self.tree.dies_at:
            os.kill(os.getpid(), signal.SIGKILL)
        return Trained("complete", self.seen, seconds) if epoch == EPOCHS - 1 else None


def figure(changes: Mapping[str, Any], epoch: int) -> float:
    """Best near a learning rate of 0.05; the default of 0.1 is worse. The seed moves it a little."""
    rate, seed = changes[PATHS[0]], changes.get("expression.train.seed", 0)
    peak = 0.9 - 0.08 * abs(math.log10(rate / 0.05)) - 0.1 * changes[PATHS[1]]
    return peak * (1 - math.exp(-(epoch + 1) / 3)) + 0.0001 * seed


class PlantedRuns:
    """Replaces the runs in MLflow; keeps what was opened and closed."""

    def __init__(self) -> None:
        self.opened: list[str] = []
        self.closed: list[str] = []

    def open_trial(self, _title: str, name: str) -> str:
        """Replaces SearchRuns'."""
        self.opened.append(name)
        return name

    def close_trial(self, run_id: str, state: str, _value: float | None) -> None:
        """Replaces SearchRuns'."""
        self.closed.append(f"{run_id} {state}")

    def close(self, *_: object) -> None:
        """Replaces SearchRuns'."""
        self.closed.append("search")


def planted_search(folder: Path, trials: int, **request: Any) -> Search:
    """The search; what an earlier process has done in the folder counts."""
    values = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    tree = folder / "tree"
    if not tree.exists():
        tree.mkdir(parents=True)
        (tree / "params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
        git(tree, "init", "--quiet")
        git(tree, "add", "--all")
        git(tree, "commit", "--quiet", "--message", "params")
    family = SimpleNamespace(name="expression", monitor=Monitor("val/macro_f1", "max"))
    wanted = SearchRequest("expression", trials, **request)
    values["expression"]["train"]["epochs"] = EPOCHS
    default = spaces.default_params("expression", values, SPACE)
    plan: Any = SearchPlan(wanted, family, values, {}, SPACE, default)  # type: ignore[arg-type]
    study = open_study(
        SearchSettings(), folder / "state", "expression-planted", less_is_better=False, epochs=EPOCHS,
        distributions=spaces.distributions(SPACE, values, default), seed=wanted.seed,
    )  # fmt: skip
    runs: Any = PlantedRuns()
    trees = [PlantedTree(tree, "expression", values, ()) for _ in range(wanted.parallel)]
    PlantedTree.clock = [max((began + seconds for began, seconds in study.spans()), default=0.0)]
    out = folder / "build" / "search" / study.study.study_name
    pool = Pool(trees, runs, family.monitor, folder / "state" / "search" / "planted", out / "logs", poll_s=0)
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    return Search(plan, folder, pool, study, "c" * 40, text, out, clock=lambda: PlantedTree.clock[0])


def outcome(search: Search) -> list[Any]:
    """Number, state, params, figure and epochs of each trial, and its attempts."""
    rows = [(trial.number, trial.state, trial.params, trial.value, trial.epochs) for trial in search._trials()]
    return [rows, sorted(trial.user_attrs[NUMBER] for trial in search.study.study.get_trials())]


def main() -> None:
    """Runs the search."""
    folder, trials, parallel, trial, epoch = sys.argv[1:]
    PlantedTree.dies_at = (f"trial-{trial}", int(epoch))
    planted_search(Path(folder), int(trials), parallel=int(parallel)).run_trials()


if __name__ == "__main__":
    main()
