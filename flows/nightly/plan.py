"""The plan of a run, independent of Prefect: the order of tasks, and the handling of failures.

    fetch -> ingest -> version -> record -> one task a DVC stage -> register@F -> report

Every task runs through `do`, which the flow passes in: there a task is a Prefect task, with retries; in a test it is a
plain call. This module decides, the flow executes, and flows/nightly/tasks.py has the content of the tasks.
"""

from __future__ import annotations

import os
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from flows.cli.console import print_line
from flows.cli.progress import reported
from flows.nightly import data_tasks, failures, params, run_history, tasks
from flows.nightly.failures import TaskError
from flows.nightly.quick import quick_patch, with_bounded_students
from flows.nightly.run import Run, attempt, clock, pass_over, quiet, run_task, write_down
from flows.servers.definitions import MLFLOW
from registry.dvc import pipeline
from report.data.run import Failure, NightlyRun, StageRun

if TYPE_CHECKING:
    from collections.abc import Mapping

    from curation.errors import DataError
    from flows.nightly.run import Do, Outcome, RunRequest
    from flows.servers.session import Session
    from registry.dvc.pipeline import Change, StageNode

FIRST_ACTS = ("fetch", "ingest", "version", "record", "worktree")
THROUGH = ("ran", "skipped")
FROM_CACHE = "skipped: from DVC's cache, it ran before with the same data, params and code"


def prepare(session: Session, request: RunRequest, do: Do) -> Run:
    """Checks the request before anything starts.

    Raises:
        ParamsError: A param or a family does not exist, or a value has another type.
    """
    values = params.read_params(session.root)
    patch = with_bounded_students(values, request.patch)
    values = params.lay(values, patch)
    families = params.choose(values, request.families)
    if request.quick:
        values = params.lay(values, quick_patch(values, families, request.patch))
    nightly = NightlyRun(
        started=datetime.now(UTC).astimezone(),
        mode=request.mode,
        families=families,
        overrides=params.flatten(patch),
    )
    return Run(session, request, do, values, session.root, nightly)


def conduct(run: Run) -> NightlyRun:
    """Executes the run. Failures are recorded in the returned NightlyRun; an interrupt is recorded and raised."""
    try:
        with ExitStack() as stack:
            with suppress(TaskError):  # already recorded in the run
                _set_the_stage(run, stack)
                _play(run)
            _finish(run)
    except BaseException as error:
        _interrupted(run, error)
        raise
    return run.nightly


def _set_the_stage(run: Run, stack: ExitStack) -> None:
    quiet(run, "servers", lambda: run.session.open([MLFLOW]))
    run_task(run, "fetch", lambda: tasks.fetch(run))
    if not run.request.trial:
        attempt(run, "ingest", lambda: tasks.ingest(run))  # a fault in the inbox stops no family
    _skip_without_data(run)
    run_task(run, "version", lambda: tasks.version(run))
    run_task(run, "record", lambda: tasks.record(run))
    if run.request.trial:
        run_task(run, "worktree", lambda: tasks.worktree(run, stack))


def _skip_without_data(run: Run) -> None:
    """Skips families without data: they are reported, and neither fail nor delay the others.

    If no family has data, all of them continue, and the task `version` reports the missing data.
    """
    errors = {family: data_tasks.missing_data(run.root, run.values, family) for family in run.nightly.families}
    if all(errors.values()):
        return
    for family, error in errors.items():
        if error is not None:
            run.without_data.add(family)
            name = f"data@{family}"
            if error.partly:
                attempt(run, name, partial(_refuse, error), family)
            else:
                why = f"{error}: {error.remedy}"
                run.nightly.stages.append(StageRun(name=name, family=family, state="not reached", why=why))


def _refuse(error: DataError) -> Outcome:
    raise error


def _play(run: Run) -> None:
    """Runs the stages in order, and registers each family as soon as its last stage is finished."""
    nodes = quiet(run, "stages", lambda: pipeline.stages(run.tree, run.fed))
    changes = quiet(run, "stages", lambda: pipeline.statuses(run.tree, nodes))
    states: dict[str, str] = {}
    for number, node in enumerate(nodes, 1):
        states[node.name] = _stage(run, node, changes, states, f"[{number}/{len(nodes)}]")
        for family in run.fed:
            own = [other.name for other in nodes if other.family == family]
            if own and own[-1] == node.name:
                _conclude(run, family, [name for name in own if states[name] not in THROUGH])


def _stage(run: Run, node: StageNode, changes: dict[str, Change], states: Mapping[str, str], number: str) -> str:
    missing = [name for name in node.upstream if name in states and states[name] not in THROUGH]
    if missing:
        return pass_over(run, node.name, node.family, missing[0])
    # DVC's status from the start holds as long as nothing upstream was rebuilt, or fetched from its cache, since.
    if any(name not in changes or changes[name].any for name in node.upstream if name in states):
        changes.pop(node.name, None)
    return attempt(run, node.name, lambda: _reproduce(run, node, changes, number), node.family)


def _reproduce(run: Run, node: StageNode, changes: dict[str, Change], number: str) -> Outcome:
    change = changes[node.name] = changes.get(node.name) or pipeline.status(run.tree, node)
    if not change.any:
        return "skipped", change.text
    failures.forget(run.tree, node)
    log = run.log(node)
    log.parent.mkdir(parents=True, exist_ok=True)
    resumes = data_tasks.resumes(run.tree, run.session.settings, node.name)
    print_line(f"{number} {node.name}: {change.text}{f'; {resumes}' if resumes else ''} ...")
    run.session.revive(MLFLOW)  # training uses it
    with reported(node.name, log):
        # A folder beside the checkout is not beside the tree of a trial.
        env = os.environ | {"RUSHES_TRAINING__STORAGE": run.session.settings.training.storage}
        status = pipeline.reproduce(run.tree, node, env, log, (run.session.lock.fd,))
    if status:
        raise failures.stage_error(run.tree, node, status, log)
    if pipeline.is_from_cache(log):
        return "skipped", FROM_CACHE
    return "ran", change.text


def _conclude(run: Run, family: str, missing: list[str]) -> None:
    name = f"register@{family}"
    if missing:
        pass_over(run, name, family, missing[0])
    elif run.request.quick:
        attempt(run, name, lambda: ("skipped", "a quick run registers nothing"), family)
    else:
        attempt(run, name, lambda: tasks.register(run, family), family)


def _finish(run: Run) -> None:
    """Ends a run: records tasks that were not reached and the champions, and builds the report."""
    reached = {stage.name for stage in run.nightly.stages}
    left_out = {"ingest"} if run.request.trial else {"worktree"}
    for name in FIRST_ACTS:
        if name not in reached | left_out:
            run.nightly.stages.append(StageRun(name=name, state="not reached"))
    run.nightly.urls = run.session.urls()
    run.nightly.champions = data_tasks.champions(run.session, run.nightly.families)
    clock(run)
    attempt(run, "report", lambda: tasks.report(run))
    clock(run)
    _write_down(run)


def _write_down(run: Run) -> None:
    write_down(run.nightly, run.session.state)
    with suppress(OSError):  # a full disk: a lost history does not fail the run
        run_history.keep(run_history.past_run(run), run.session.state)


def _interrupted(run: Run, error: BaseException) -> None:
    """Records an interrupt, so that `make status` shows this run instead of the previous one."""
    why = f"{type(error).__name__}: {error}" if isinstance(error, Exception) else "it was stopped"
    run.nightly.failures.insert(0, Failure(stage="run", message=why, again=run.request.command()))
    clock(run)
    with suppress(OSError):
        _write_down(run)
