"""Scheduled runs on Prefect's server, through Prefect's own client.

The client sends the password and the version; hand-written requests lacked the password and took a 401 for "there is no
deployment". Prefect is imported inside the functions, since it reads its environment on import.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from flows.servers.servers import REFUSED, PasswordError, ServerError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.objects import FlowRun
    from prefect.client.schemas.responses import DeploymentResponse

    from flows.servers.servers import Server

DEPLOYMENT = "nightly/nightly"
TIMEOUT_S = 4.0
LOOK_BACK = 50  # runs to search for the last scheduled one, among manual ones
LATE = timedelta(seconds=60)  # Prefect's runner polls for due runs every 10 s


@dataclass(frozen=True)
class DeploymentState:
    """State of the deployment.

    Attributes:
        updated: Time of its last update, by the server's clock.
        paused: True if it, or all of its schedules, are paused.
        schedules: The active ones, as "15 4 * * * UTC".
        planned: Start of the next run; None if the server has planned none.
        last: State of the last scheduled run, "2026-03-04 04:15 Failed: out of memory"; empty if there is none.
    """

    updated: str
    paused: bool
    schedules: tuple[str, ...]
    planned: datetime | None
    last: str

    def fault(self, cron: str) -> str:
        """The reason why no run starts on the schedule `cron`, with a remedy; empty if there is none."""
        if self.paused:
            return "paused in Prefect, so no run starts; to resume: make down, then make up"
        if cron not in self.schedules:
            return f"Prefect has {', '.join(self.schedules)}, settings.toml {cron}; to apply: make down, then make up"
        if self.planned is None:
            return "Prefect plans no runs, so none will start; see its server's log"
        if datetime.now(UTC) - self.planned > LATE:
            return f"the run of {_spell_time(self.planned)} was not started; see the scheduler's log"
        return ""


@contextmanager
def connect(server: Server) -> Iterator[SyncPrefectClient]:
    """A client of a Prefect server.

    Raises:
        PasswordError: It requires a password, or another one.
        ServerError: It does not answer, or cannot do what was requested.
    """
    import httpx  # noqa: PLC0415 - a dependency of Prefect
    from prefect.client.orchestration import SyncPrefectClient  # noqa: PLC0415  # see above
    from prefect.settings import PREFECT_CLIENT_MAX_RETRIES, temporary_settings  # noqa: PLC0415  # see above

    key = os.environ.get("PREFECT_API_KEY")
    how = {"timeout": TIMEOUT_S}
    try:
        with (
            temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 1}),
            SyncPrefectClient(server.api, auth_string=server.login or None, api_key=key, httpx_settings=how) as client,
        ):
            yield client
    except httpx.HTTPStatusError as error:
        if error.response.status_code in REFUSED:
            raise PasswordError(server, error.response.status_code) from error
        raise _broken(server, f"answers {error.response.status_code}") from error
    except httpx.HTTPError as error:
        raise _broken(server, f"does not answer: {error or type(error).__name__}") from error


def _broken(server: Server, what: str) -> ServerError:
    remedy = f"see {server.log}, then run again" if server.log else "make status   # shows what runs; then run again"
    return ServerError(f"Prefect at {server.url} {what}", remedy)


def check_access(server: Server) -> None:
    """Requests something password-protected; returns if the server grants it.

    Raises:
        PasswordError: It requires a password, or another one.
        ServerError: It does not answer.
    """
    with connect(server) as client:
        client.read_deployments(limit=1)


def standing(server: Server) -> DeploymentState | None:
    """State of the deployment; None if the server has none.

    Raises:
        PasswordError: It requires a password, or another one.
        ServerError: It does not answer.
    """
    from prefect.exceptions import ObjectNotFound  # noqa: PLC0415 - see above

    with connect(server) as client:
        try:
            deployment = client.read_deployment_by_name(DEPLOYMENT)
        except ObjectNotFound:
            return None
        return DeploymentState(
            updated=str(deployment.updated),
            paused=deployment.paused or not any(schedule.active for schedule in deployment.schedules),
            schedules=_schedules(deployment),
            planned=_planned(client, deployment.id),
            last=_last(client, deployment.id),
        )


def _schedules(deployment: DeploymentResponse) -> tuple[str, ...]:
    active = [entry.schedule for entry in deployment.schedules if entry.active]
    return tuple(f"{getattr(one, 'cron', one)} {getattr(one, 'timezone', '')}".strip() for one in active)


def _runs(client: SyncPrefectClient, deployment: UUID, *, scheduled: bool) -> list[FlowRun]:
    """Scheduled runs that have not started, the next one first; or those that have, the last one first."""
    from prefect.client.schemas import filters  # noqa: PLC0415 - see above
    from prefect.client.schemas.objects import StateType  # noqa: PLC0415  # see above
    from prefect.client.schemas.sorting import FlowRunSort  # noqa: PLC0415  # see above

    kinds = {"any_" if scheduled else "not_any_": [StateType.SCHEDULED]}
    wanted = filters.FlowRunFilter(
        deployment_id=filters.FlowRunFilterDeploymentId(any_=[deployment]),
        state=filters.FlowRunFilterState(type=filters.FlowRunFilterStateType(**kinds)),
    )
    first = FlowRunSort.EXPECTED_START_TIME_ASC if scheduled else FlowRunSort.EXPECTED_START_TIME_DESC
    found = client.read_flow_runs(flow_run_filter=wanted, sort=first, limit=LOOK_BACK)
    return [run for run in found if run.auto_scheduled]


def _planned(client: SyncPrefectClient, deployment: UUID) -> datetime | None:
    times = [run.expected_start_time for run in _runs(client, deployment, scheduled=True) if run.expected_start_time]
    return times[0] if times else None


def _last(client: SyncPrefectClient, deployment: UUID) -> str:
    run = next(iter(_runs(client, deployment, scheduled=False)), None)
    if run is None or run.state is None:
        return ""
    message = f": {run.state.message.splitlines()[0]}" if run.state.message else ""
    return f"{_spell_time(run.expected_start_time)} {run.state.name}{message}"


def _spell_time(time: datetime | None) -> str:
    return f"{time.astimezone():%Y-%m-%d %H:%M}" if time else "?"
