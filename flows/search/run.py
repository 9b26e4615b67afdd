"""A search from the check of its request to its end: worktree, study, MLflow."""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

import typer

from flows.cli.console import print_line
from flows.cli.progress import reported
from flows.nightly import failures, plan, tasks
from flows.nightly.run import RunRequest
from flows.search import space as spaces
from flows.search.request import make_plan
from flows.search.search import Search
from flows.search.study import open_study
from flows.search.tracking import open_runs
from flows.search.training import TrialTree
from flows.servers import environment, stopping
from flows.servers.definitions import MLFLOW
from flows.servers.session import session
from models.params_file import NAME
from registry.dvc import pipeline
from registry.dvc.stage_key import stage_key
from registry.git import snapshot
from registry.mlflow.runs import client
from rushes.errors import DONE, NOTHING_FITS

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
    """
    environment.set_up(root, settings)
    planned = make_plan(root, request)
    if show:
        typer.echo("\n".join(planned.lines()))
        return DONE
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
                search.runs.abandon()
            raise
    return DONE if result.is_better else NOTHING_FITS


def _prepare(now: Session, planned: SearchPlan, stack: ExitStack) -> Search:
    """Records the tree, lays it out beside the checkout with its data, packs the set once, and opens the study."""
    run = plan.prepare(now, RunRequest((planned.family.name,), planned.patch), lambda _name, work: work())
    print_line("preparing the data and the tree of the trials ...")
    tasks.fetch(run)
    tasks.version(run)
    tasks.record(run)
    folder = stack.enter_context(snapshot.worktree(now.root, run.nightly.record, now.state / "search" / "tree"))
    text = (folder / NAME).read_bytes().decode("utf-8-sig")
    tasks.fill(run, folder)
    nodes = [node for node in pipeline.stages(folder, [planned.family.name]) if node.stage in ("clean", "augment")]
    for node in nodes:
        log = now.state / "logs" / f"search-{node.name}.log"
        with reported(node.name, log):
            if status := pipeline.reproduce(folder, node, os.environ, log, (now.lock.fd,)):
                print_line(f"log      {log}")
                raise failures.stage_error(folder, node, status, log)
    augment = nodes[-1] if planned.augments else None
    tree = TrialTree(folder, planned.family.name, planned.values, (now.lock.fd,), augment)
    name = f"{planned.family.name}-{_key(folder, planned)[:12]}"
    study = open_study(
        now.settings.search, now.state, name,
        less_is_better=planned.less_is_better, epochs=planned.epochs, seed=planned.request.seed,
        distributions=spaces.distributions(planned.space, planned.values, planned.default),
    )  # fmt: skip
    stack.callback(study.study._storage.remove_session)  # noqa: SLF001 - closes the database
    about = {"trials": planned.request.trials, "seed": planned.request.seed, "space": planned.space_texts()}
    runs = open_runs(lambda: client(now.ready(MLFLOW).api), planned.family.name, name, about)
    print_line(f"search {name}: {len(study.ended())} of {planned.request.trials} trials done")
    return Search(planned, now, tree, study, runs, run.nightly.record, text)


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
