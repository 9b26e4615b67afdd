"""A search whose trainings are planted: real Optuna on SQLite, real git, no network is trained.

    python -m tests.support.search_process FOLDER TRIALS [TRIAL EPOCH]

With a trial and an epoch, the process kills itself there, as `kill -9` would.
"""

from __future__ import annotations

import math
import os
import signal
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import yaml

from common.settings import SearchSettings
from flows.search import space as spaces
from flows.search.request import SearchPlan, SearchRequest
from flows.search.search import Search
from flows.search.study import NUMBER, open_study
from flows.search.training import Trained, TrialTree, _take
from models.components.search_space import Choice, Range
from models.family import Monitor
from tests.support.repos import ROOT, git

EPOCHS = 9
PATHS = ("expression.train.learning_rate", "expression.train.dropout", "expression.train.widths")
SPACE = dict(zip(PATHS, (Range(1e-3, 0.5, log=True), Range(0.0, 0.5), Choice(([8, 16], [16, 32]))), strict=True))


class PlantedTree(TrialTree):
    """Figures as a function of the params and the epoch."""

    failing: frozenset[str] = frozenset({"trial-5"})  # trainings that diverge in their second epoch
    dies_at: tuple[str, int] | None = None  # training and epoch in which this process is killed

    def train(
        self, changes: dict[str, Any], state: Path, log: Path, run_id: str, stop: Any = lambda _row, _seconds: False
    ) -> Trained:
        """Replaces TrialTree's."""
        del run_id
        log.parent.mkdir(parents=True, exist_ok=True)
        with (self.tree.parent / "trained.txt").open("a") as file:
            file.write(f"{state.name}\n")
        state.mkdir(parents=True, exist_ok=True)
        seen: list[dict[str, float]] = []
        for epoch in range(EPOCHS):
            row: dict[str, float] = {"epoch": epoch, "val/macro_f1": figure(changes, epoch)}
            if epoch and state.name in self.failing:
                return Trained("failed", seen, 1.0, "the loss became NaN in epoch 2")
            if _take([row], seen, lambda row: stop(row, 1.0 + row["epoch"])):
                return Trained("pruned", seen, 1.0 + epoch)
            if (state.name, epoch) == self.dies_at:
                os.kill(os.getpid(), signal.SIGKILL)
        return Trained("complete", seen, float(EPOCHS))


def figure(changes: dict[str, Any], epoch: int) -> float:
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
    session: Any = SimpleNamespace(root=folder, state=folder / "state")
    runs: Any = PlantedRuns()
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    return Search(plan, session, PlantedTree(tree, "expression", values, ()), study, runs, "c" * 40, text)


def outcome(search: Search) -> list[Any]:
    """Number, state, params, figure and epochs of each trial, and its attempts."""
    rows = [(trial.number, trial.state, trial.params, trial.value, trial.epochs) for trial in search._trials()]
    return [rows, sorted(trial.user_attrs[NUMBER] for trial in search.study.study.get_trials())]


def main() -> None:
    """Runs the search."""
    folder, trials, *place = sys.argv[1:]
    if place:
        PlantedTree.dies_at = (f"trial-{place[0]}", int(place[1]))
    search = planted_search(Path(folder), int(trials))
    search.run_trials()
    search.conclude()


if __name__ == "__main__":
    main()
