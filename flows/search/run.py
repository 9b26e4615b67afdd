"""A search from the check of its request to its end: worktrees, study, MLflow."""

from __future__ import annotations

import hashlib
import json
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

import typer

from flows.cli.console import print_line
from flows.nightly import plan, tasks
from flows.nightly.run import RunRequest
from flows.search import parallel
from flows.search import space as spaces
from flows.search.pool import Pool
from flows.search.request import make_plan
from flows.search.search import Search
from flows.search.study import open_study
from flows.search.tracking import open_runs
from flows.search.trees import trial_trees
from flows.servers import environment, stopping
from flows.servers.definitions import MLFLOW
from flows.servers.session import session
from models.params_file import NAME
from registry.dvc.stage_key import stage_key
from registry.mlflow.runs import client
from registry.subprocesses import git
from rushes.errors import DONE, NOTHING_FITS
from training.storage import place_of

if TYPE_CHECKING:
    from pathlib import Path

    from common.settings import Settings
    from flows.search.request import SearchPlan, SearchRequest
    from flows.servers.session import Session


def run_search(root: Path, settings: Settings, request: SearchRequest, *, show: bool = False) -> int:
    """Searches for better params; with `show`, only prints the space.

    Returns:
        0 if a trial is better than the default, 3 if none is by more than its interval.

    Raises:
        ParamsError: The family or a param does not exist, or a value or a range is not valid.
        LockHeldError: Another run holds the lock.
        DefaultTrialError: The default params cannot be trained.
        MisuseError: The engine cannot train as many trials at once as are wanted.
    """
    environment.set_up(root, settings)
    planned = make_plan(root, request)
    if show:
        typer.echo("\n".join(planned.lines()))
        return DONE
    parallel.check_engine(planned, settings.training)
    again = request.command()
    with stopping.stoppable(again), session(root, settings, again) as now, ExitStack() as stack:
        for process in now.lock.ended:
            print_line(f"ended a leftover process of a killed run: {process}")
        now.open([MLFLOW])
        search = _prepare(now, planned, stack)
        try:
            search.run_trials()
            result = search.conclude()
        except BaseException:
            with suppress(Exception):  # the reason of the end matters more
                search.pool.runs.abandon()
            raise
    return DONE if result.is_better else NOTHING_FITS


def _prepare(now: Session, planned: SearchPlan, stack: ExitStack) -> Search:
    """Records the tree, lays out the trees of the trials with one packed set, and opens the study."""
    run = plan.prepare(now, RunRequest((planned.family.name,), planned.patch), lambda _name, work: work())
    print_line("preparing the data and the trees of the trials ...")
    tasks.fetch(run)
    tasks.version(run)
    tasks.record(run)
    trees = trial_trees(run, planned, stack)
    text = git(now.root, "show", f"{run.nightly.record}:{NAME}").stdout.decode("utf-8-sig")
    name = f"{planned.family.name}-{_key(trees[0].tree, planned)[:12]}"
    study = open_study(
        now.settings.search, now.state, name,
        less_is_better=planned.less_is_better, epochs=planned.epochs, seed=planned.request.seed,
        distributions=spaces.distributions(planned.space, planned.values, planned.default),
    )  # fmt: skip
    stack.callback(study.study._storage.remove_session)  # noqa: SLF001 - closes the database
    about = {"trials": planned.request.trials, "seed": planned.request.seed, "space": planned.space_texts()}
    runs = open_runs(lambda: client(now.ready(MLFLOW).api), planned.family.name, name, about)
    print_line(f"search {name}: {len(study.ended())} of {planned.request.trials} trials done")
    out, shared = now.root / "build" / "search" / name, now.settings.training.storage
    folder = (place_of(shared) if shared else now.state) / "search" / name
    pool = Pool(trees, runs, planned.family.monitor, folder, out / "logs")
    return Search(planned, now.root, pool, study, run.nightly.record, text, out)


def _key(tree: Path, planned: SearchPlan) -> str:
    """Hash of all that figures of trials depend on: trials of one study can be compared, and continued."""
    train = {
        name: value
        for name, value in planned.train.items()
        if f"{planned.family.name}.train.{name}" not in planned.space
    }
    parts = {
        "stage": stage_key(tree, "train", planned.family.name, without=(f"{planned.family.name}.train",)),
        "train": train,
        "default": planned.default,
        "space": planned.space_texts(),
        "seed": planned.request.seed,
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()
