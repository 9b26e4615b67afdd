"""Worktrees of the trials, with one packed set among them."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from common.settings import FILE
from flows.cli.console import print_line
from flows.cli.progress import reported
from flows.nightly import failures, tasks
from flows.search.parallel import environments
from flows.search.training import TrialTree
from registry.dvc import pipeline
from registry.git import snapshot

if TYPE_CHECKING:
    from contextlib import ExitStack
    from pathlib import Path

    from flows.nightly.run import Run
    from flows.search.request import SearchPlan
    from registry.dvc.pipeline import StageNode


def trial_trees(run: Run, plan: SearchPlan, stack: ExitStack) -> list[TrialTree]:
    """Worktrees of the record, as many as trainings run at once; the set is packed in the first.

    Raises:
        TaskError: The set cannot be packed.
    """
    count = min(plan.request.parallel, max(plan.request.trials, 2 * plan.request.seeds))
    session = run.session
    folders = [
        stack.enter_context(snapshot.worktree(run.root, run.nightly.record, session.state / "search" / "trees" / name))
        for name in map(str, range(1, count + 1))
    ]
    first, *others = folders
    tasks.fill(run, first)
    augment = _pack(run, plan, first)
    for other in others:
        share(first, other)
    storage = {"RUSHES_TRAINING__STORAGE": session.settings.training.storage}
    return [
        TrialTree(
            folder, plan.family.name, plan.values, (session.lock.fd,), augment if plan.augments else None,
            storage | environment,
        )
        for folder, environment in zip(folders, environments(session.settings.training, count), strict=True)
    ]  # fmt: skip


def _pack(run: Run, plan: SearchPlan, folder: Path) -> StageNode:
    """Runs the stages before train; returns the one that packs the set."""
    nodes = [node for node in pipeline.stages(folder, [plan.family.name]) if node.stage in ("clean", "augment")]
    for node in nodes:
        log = run.session.state / "logs" / f"search-{node.name}.log"
        with reported(node.name, log):
            if status := pipeline.reproduce(folder, node, os.environ, log, (run.session.lock.fd,)):
                print_line(f"log      {log}")
                raise failures.stage_error(folder, node, status, log)
    return nodes[-1]


def share(first: Path, other: Path) -> None:
    """Gives a worktree the settings and the outputs of another one, whose files are linked and not copied."""
    for name in (FILE, "dvc.lock"):
        if (first / name).is_file():
            shutil.copyfile(first / name, other / name)
    shutil.copytree(first / "build", other / "build", copy_function=_link, dirs_exist_ok=True)


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # a file system without hard links
        shutil.copy2(source, target)
