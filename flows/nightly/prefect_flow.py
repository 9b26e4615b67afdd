"""The nightly run as a Prefect flow: one task a step, with retries; its form in the UI; its artifacts.

Importing this module imports Prefect, which then reads PREFECT_API_URL and PREFECT_HOME: set up the environment first.
"""

import os
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial
from typing import Any

from prefect import flow, get_run_logger, task
from prefect.artifacts import create_link_artifact, create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.events.worker import EventsWorker
from prefect.logging.handlers import APILogWorker
from prefect.states import Cancelled, Completed, Failed
from prefect.tasks import exponential_backoff

from common.settings import load_settings
from flows.nightly import failures, publish
from flows.nightly.failures import TaskError
from flows.nightly.form import NO_EPOCHS, NO_SEED, Epochs, Seed, patch_of
from flows.nightly.plan import conduct, prepare
from flows.nightly.run import UNFIT, Outcome, Run, RunRequest
from flows.servers import environment
from flows.servers.crashed_runs import close_killed
from flows.servers.definitions import PREFECT
from flows.servers.lock import LockHeldError
from flows.servers.servers import ServerError
from flows.servers.session import Session, session
from models.families import NAMES
from models.params_file import ParamsError
from report.text.messages import headline, markdown, why_text

FLUSH_S = 10
SCHEDULER = "_RUSHES_SCHEDULER"  # the variable with the pid of the scheduler, which its runs inherit

# Gives the form in the UI a list to choose from.
FamilyName = StrEnum("FamilyName", {name: name for name in NAMES})  # type: ignore[misc]  # mypy needs literal names


def _flow_run_name() -> str:
    return f"{datetime.now(UTC).astimezone():%Y-%m-%d %H:%M:%S}"


def _page_crash(flow: object, flow_run: object, state: State[Any]) -> None:  # noqa: ARG001 - Prefect's signature
    """Notifies of a killed run (out of memory). Only in the scheduler process: a live run does it itself."""
    if os.environ.get(SCHEDULER) == str(os.getpid()):
        publish.killed(state.message or "its process was killed", load_settings().notify.command)


@flow(
    name="nightly",
    flow_run_name=_flow_run_name,
    log_prints=False,
    validate_parameters=True,
    on_crashed=[_page_crash],
)
def nightly(
    families: list[FamilyName] = [],  # noqa: B006 - Prefect's form needs the default itself
    quick: bool = False,
    epochs: Epochs = NO_EPOCHS,
    seed: Seed = NO_SEED,
    overrides: dict[str, Any] = {},  # noqa: B006  # as above
    promote: bool = False,
) -> Any:  # noqa: ANN401 - Prefect's State
    """Retrains the families on the current data, and promotes models that are proved to be better.

    Args:
        families: Families to train; none means all.
        quick: Checks that it runs at all: a part of the data, one epoch, no students, nothing registered. A minute.
        epochs: Passes over the training split. 0: as in params.yaml; with another number, it is a trial.
        seed: Of initial weights and order of samples. -1: as in params.yaml; with another number, it is a trial.
        overrides: Other params, by path: {"expression.train.learning_rate": 0.001}. With any, it is a trial. The
            deployment's description lists them all with their values.
        promote: Allows a trial to be promoted; a run without overrides always may.
    """
    names = tuple(str(family) for family in families)
    request = RunRequest(names, patch_of(names, epochs, seed, overrides), promote, quick)
    root = environment.checkout_root()
    try:
        with session(root, load_settings(), request.command()) as now:
            return _run(now, request)
    except LockHeldError as error:  # dropped, as by Prefect's limit: there is a run tomorrow too
        return Cancelled(message=f"not started: {error}")


def _run(now: Session, request: RunRequest) -> State[Any]:
    """Runs with the lock held; returns the final state."""
    with suppress(Exception):  # a failure to close earlier flow runs does not stop this one
        close_killed(now.state)
    try:
        run = prepare(now, request, partial(_as_task, now))
    except ParamsError as error:
        return Failed(message=publish.failed_to_start(now, request, "params", error))
    try:
        conduct(run)
    except Exception:
        publish.page_failure(run.nightly, now.settings.notify.command)
        raise
    return _conclude(run)


def _as_task(now: Session, name: str, work: Callable[[], Outcome]) -> Outcome:
    """Runs a task as a Prefect task of that name, with retries if its failure is transient.

    Prefect is called before and after the task; a server of this run that has died in between is restarted first.
    """
    outcomes: list[Outcome] = []
    errors: list[TaskError] = []

    def attempt() -> State[Any]:
        try:
            outcomes.append(_then_revive(now, work))
        except TaskError as error:
            errors.append(error)
            get_run_logger().warning("%s: %s", error.fault.kind, error.fault.message)
            raise
        state, why = outcomes[-1]
        get_run_logger().info("%s: %s", state, why_text(why))
        return Completed(name="Skipped" if state == "skipped" else None, message=why)

    _revive(now)
    task(
        name=name,
        task_run_name=name,
        retries=failures.TRIES,
        retry_delay_seconds=exponential_backoff(failures.BACKOFF_S),
        retry_jitter_factor=0.5,
        retry_condition_fn=lambda _task, _run, _state: bool(errors) and errors[-1].transient,
        cache_policy=NO_CACHE,
        persist_result=False,
    )(attempt)()
    return outcomes[-1]


def _then_revive(now: Session, work: Callable[[], Outcome]) -> Outcome:
    try:
        return work()
    finally:
        _revive(now)


def _revive(now: Session) -> None:
    with suppress(ServerError):  # the work comes first; without Prefect the flow run ends by itself
        now.revive(PREFECT)


def _conclude(run: Run) -> State[Any]:
    """Prints the table, publishes artifacts, notifies, and returns the final state, its reason first."""
    page = publish.to_mlflow(run)
    with suppress(Exception):  # the run is over; a missing summary does not fail it
        create_markdown_artifact(
            markdown(run.nightly, run.decisions), key=run.nightly.mode, description="The run in short"
        )
        if page:  # browsers do not follow links to files
            shown = run.shown(run.out / "index.html")
            create_link_artifact(page, link_text="report in MLflow", key="report", description=f"also in {shown}")
    publish.show(run)
    run.session.ended = not run.nightly.failed
    if run.nightly.failed:
        name = UNFIT if run.nightly.unfit else None
        return Failed(name=name, message=headline(run.nightly, run.decisions).text.removeprefix("FAILED: "))
    return Completed(message=headline(run.nightly, run.decisions).text)


def flush() -> None:
    """Sends Prefect's buffered logs and events: a server of this run is stopped before the process ends."""
    for worker in (APILogWorker, EventsWorker):
        worker.drain_all(timeout=FLUSH_S)
