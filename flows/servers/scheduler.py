"""The scheduler of `make up`: a process that serves the nightly flow to Prefect, and its actual state.

A running process proves little: Prefect's server plans the runs, and the deployment may be paused or deleted. So the
scheduler counts as up once the next run is planned, and `look` asks the server each time.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil

from flows.servers import definitions, prefect_client, servers
from flows.servers.definitions import PREFECT
from flows.servers.servers import PasswordError, Server, ServerError

if TYPE_CHECKING:
    from pathlib import Path

    from common.settings import Settings
    from flows.servers.prefect_client import DeploymentState

NAME = "scheduler"
LOOK_S = 0.5
# It has a record like a server's, so that it is found and stopped like one; it answers no requests.
KIND = definitions.Kind(NAME, NAME, "schedule", "", lambda *_: [], lambda *_: {})


@dataclass(frozen=True)
class ServiceStatus:
    """One line of `make status`: a service and its state."""

    name: str
    state: str
    url: str = ""
    pid: int = 0
    note: str = ""


def found(state: Path) -> Server | None:
    """The scheduler that runs here, or None."""
    return servers.found(state, KIND)


def up(settings: Settings, state: Path, prefect: Server, started: list[Server]) -> None:
    """Starts the scheduler unless it runs and Prefect has its deployment; waits until Prefect has planned a run.

    Args:
        settings: Settings of this checkout.
        state: The state folder.
        prefect: The server that it uses.
        started: List of started servers; the scheduler is appended.

    Raises:
        PasswordError: Prefect requires a password, or another one.
        ServerError: The scheduler does not start, or Prefect plans no runs.
    """
    with servers.deciding(state):
        before = prefect_client.standing(prefect)
        running = found(state)
        if running is not None and before is not None:
            return
        if running is not None:
            servers.stop(state, running)  # its deployment was deleted; a new process creates one
        scheduler = _start(state, prefect)
        started.append(scheduler)
    _wait(settings, state, prefect, scheduler, before.updated if before else "")


def _start(state: Path, prefect: Server) -> Server:
    command = [sys.executable, "-m", "flows", "serve"]
    process = servers.spawn(command, log_path(state), prefect.variables(), detached=True)
    created = psutil.Process(process.pid).create_time()
    scheduler = Server(KIND, prefect.url, "make up", process.pid, created, log_path(state), process)
    servers.remember(state, scheduler)
    return scheduler


def _wait(settings: Settings, state: Path, prefect: Server, scheduler: Server, before: str) -> None:
    until = time.monotonic() + servers.DEADLINE_S
    while (now := prefect_client.standing(prefect)) is None or now.updated == before or now.planned is None:
        if not scheduler.alive() or time.monotonic() > until:
            raise _not_up(settings, state, prefect, now if now and now.updated != before else None)
        time.sleep(LOOK_S)


def log_path(state: Path) -> Path:
    """The log of the scheduler."""
    return state / "logs" / f"{NAME}.log"


def _not_up(settings: Settings, state: Path, prefect: Server, now: DeploymentState | None) -> ServerError:
    asked = f"schedule.cron {settings.schedule.cron!r}, schedule.timezone {settings.schedule.timezone!r}"
    if now is not None and prefect.log is not None:
        tail = "\n".join(f"  {line}" for line in servers.tail_of(prefect.log))
        message = f"Prefect has the schedule but plans no runs, so none would start ({asked})\n{tail}"
        return ServerError(message, f"its complete log is {prefect.log}")
    log = log_path(state)
    tail = "\n".join(f"  {line}" for line in servers.tail_of(log))
    message = f"the scheduler did not come up ({asked})\n{tail}"
    return ServerError(message, f"its complete log is {log}; fix it, or schedule in settings.toml, then: make up")


def look(settings: Settings, state: Path) -> list[ServiceStatus]:
    """Row of the scheduler, and one of the last scheduled run if there was one."""
    cron = f"{settings.schedule.cron} {settings.schedule.timezone}"
    scheduler = found(state)
    if scheduler is None:
        return [ServiceStatus(NAME, "stopped", note=f"{cron}, once it runs: make up")]
    try:
        now = prefect_client.standing(_prefect(settings, state))
    except ServerError as error:
        word = "not known" if isinstance(error, PasswordError) else "no server"
        return [ServiceStatus(NAME, word, pid=scheduler.pid, note=f"{error}; {error.remedy}")]
    if now is None:
        note = f"Prefect has no deployment {prefect_client.DEPLOYMENT}, so no run starts; to create it again: make up"
        return [ServiceStatus(NAME, "broken", pid=scheduler.pid, note=note)]
    last = [ServiceStatus("last run", "by schedule", note=now.last)] if now.last else []
    fault = now.fault(cron)
    if fault:
        return [ServiceStatus(NAME, "paused" if now.paused else "broken", pid=scheduler.pid, note=fault), *last]
    when = f"{now.planned.astimezone():%Y-%m-%d %H:%M}" if now.planned else ""
    return [ServiceStatus(NAME, "runs", pid=scheduler.pid, note=f"{cron}, next {when}"), *last]


def _prefect(settings: Settings, state: Path) -> Server:
    """The server that the scheduler uses.

    Raises:
        ServerError: There is none.
    """
    url, _ = servers.table_of(settings, PREFECT)
    if url:
        return Server(PREFECT, servers.base(PREFECT, url), "team", login=servers.login_of(PREFECT))
    server = servers.found(state, PREFECT)
    if server is None:
        message = "its Prefect server does not run, so no run starts"
        raise ServerError(message, "make down, then: make up")
    return server
