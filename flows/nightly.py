"""The nightly as Prefect runs it: one task an act, retried where that helps; its form in the UI; its artifacts.

Importing this imports Prefect, which reads PREFECT_API_URL and PREFECT_HOME then: settle the environment first.
"""

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from prefect import flow, get_run_logger, task
from prefect.artifacts import create_link_artifact, create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.events.worker import EventsWorker
from prefect.logging.handlers import APILogWorker
from prefect.states import Completed, Failed
from prefect.tasks import exponential_backoff

from flows import environment, failures, params, publish
from flows.failures import ActError
from flows.night import conduct, prepare
from flows.run import UNFIT, Order, Outcome, Run
from flows.session import session
from models.families import FAMILIES
from registry.settings import load_settings
from report.words import headline, markdown, why_text

FLUSH_S = 10

# For the form in the UI: a list to choose from, and a field a param with its type and bounds.
FamilyName = StrEnum("FamilyName", {family.name: family.name for family in FAMILIES})  # type: ignore[misc]  # mypy wants the names spelt out
Overrides = params.overrides()


def _flow_run_name() -> str:
    return f"{datetime.now(UTC).astimezone():%Y-%m-%d %H:%M:%S}"


@flow(name="nightly", flow_run_name=_flow_run_name, log_prints=False, validate_parameters=True)
def nightly(
    families: list[FamilyName] = [],  # noqa: B006 - Prefect's form wants the default itself
    promote: bool = False,
    overrides: Overrides = Overrides(),  # type: ignore[valid-type]  # noqa: B008  # a type that is made; the form's default
) -> Any:  # noqa: ANN401 - Prefect's State
    """Retrains the families on the data as they are now, and promotes what is proved to be better.

    Args:
        families: Which ones; none means all.
        promote: Whether a trial may be promoted; a night without overrides always may.
        overrides: Params to change. With any, it is a trial in a tree of its own.
    """
    order = Order(tuple(str(family) for family in families), params.patch_of(overrides), promote)
    root = environment.checkout()
    with session(root, load_settings(), order.command()) as now:
        try:
            run = prepare(now, order, _as_task)
        except params.ParamsError as error:
            return Failed(message=publish.stillborn(now, order, "params", error))
        try:
            conduct(run)
        except Exception:
            publish.cry(run.night, now.settings.notify.command)
            raise
        return _conclude(run)


def _as_task(name: str, work: Callable[[], Outcome]) -> Outcome:
    """Runs an act as a Prefect task of that name, again where its failure is transient."""
    outcomes: list[Outcome] = []
    errors: list[ActError] = []

    def act() -> State[Any]:
        try:
            outcomes.append(work())
        except ActError as error:
            errors.append(error)
            get_run_logger().warning("%s: %s", error.fault.kind, error.fault.message)
            raise
        state, why = outcomes[-1]
        get_run_logger().info("%s: %s", state, why_text(why))
        return Completed(name="Skipped" if state == "skipped" else None, message=why)

    task(
        name=name,
        task_run_name=name,
        retries=failures.TRIES,
        retry_delay_seconds=exponential_backoff(failures.BACKOFF_S),
        retry_jitter_factor=0.5,
        retry_condition_fn=lambda _task, _run, _state: bool(errors) and errors[-1].transient,
        cache_policy=NO_CACHE,
        persist_result=False,
    )(act)()
    return outcomes[-1]


def _conclude(run: Run) -> State[Any]:
    """Table, artifacts, pager, and the state that the flow run ends in, its reason first."""
    address = publish.to_mlflow(run)
    with suppress(Exception):  # the night is over; a summary that cannot be shown does not fail it
        create_markdown_artifact(
            markdown(run.night, run.decisions), key=run.night.mode, description="The night in short"
        )
        link = address or (run.out / "index.html").as_uri()
        create_link_artifact(link, link_text="report", key="report", description=run.shown(run.out / "index.html"))
    publish.show(run)
    run.session.ended = not run.night.failed
    if run.night.failed:
        name = UNFIT if run.night.unfit else None
        return Failed(name=name, message=headline(run.night, run.decisions).text.removeprefix("FAILED: "))
    return Completed(message=headline(run.night, run.decisions).text)


def flush() -> None:
    """Sends what Prefect still holds back: a server of this run is stopped before the process ends."""
    for worker in (APILogWorker, EventsWorker):
        worker.drain_all(timeout=FLUSH_S)
